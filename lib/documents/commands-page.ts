import type { Command, Option } from 'commander';
import { EXIT } from '../../bin/output/exit-codes.ts';
import { buildProgram } from '../../bin/program.ts';
import { code, markdownTable } from './markdown.ts';

const MEANINGS: Readonly<Record<keyof typeof EXIT, string>> = {
  done: 'done',
  failed:
    'something outside was not ready, or a control plane was not backed up or restored: read the reason, then try again',
  wrong: 'the command line, the configuration, the kubeconfig or a permission is wrong: trying again changes nothing',
  refused:
    'a person has to look: a proof does not hold, a verified point is missing or too old, `status` found a problem, a rollback failed, or `run` selected nothing',
  defect: 'a defect in Lifeboat',
  interrupted: 'interrupted; the last line says what was cleaned up or what is left',
};

/** `docs/commands.md`. */
export function commandsPage(): string {
  const program = buildProgram();
  const commands = [...program.commands].sort((a, b) => (a.name() < b.name() ? -1 : 1));
  return `# Commands

<!-- Written by "npm run documents" from the command line itself. -->

How it is called in a clone: [README](../README.md#use-it).

- A control plane is \`<management cluster>/<namespace>/<name>\`. For HyperShift, namespace and name are those of the HostedCluster.
- A point is \`<id>\` or \`<control plane>/<id>\`.
- A time is RFC 3339 with a zone, such as \`2026-01-02T03:04:05Z\`.
- \`--json\` works on all commands. The result goes to standard output, progress and errors to standard error.

${markdownTable(
  ['command', 'what it does'],
  commands.map((command) => [`[${code(usageOf(command))}](#${command.name()})`, command.description()]),
)}

## Options of every command

${optionTable(program.options)}

## Exit codes

${markdownTable(
  ['code', 'meaning'],
  Object.entries(EXIT).map(([name, exitCode]) => [String(exitCode), MEANINGS[name as keyof typeof EXIT]]),
)}

\`run\` gives the code that \`backup\` gives for the same cause, the worst one where there are several. With \`--json\` an error is the last
line of standard error: one JSON document with name, message, remedy and exit code. What to do about a message:
[runbook-restore.md](runbook-restore.md#messages).

${commands.map(section).join('\n\n')}
`;
}

function section(command: Command): string {
  const { registeredArguments, options } = command;
  const described = registeredArguments.map((argument) => [
    code(argument.required ? `<${argument.name()}>` : `[${argument.name()}]`),
    [
      argument.description,
      ...(argument.argChoices === undefined ? [] : [`one of ${argument.argChoices.map(code).join(', ')}`]),
    ]
      .filter((text) => text !== '')
      .map(escapeTags)
      .join('; '),
  ]);
  const more = textAfterHelp(command);
  return [
    `## ${command.name()}`,
    `${code(`lifeboat ${usageOf(command)}`)}: ${escapeTags(command.description())}.`,
    ...(described.length === 0 ? [] : [markdownTable(['argument', 'what'], described)]),
    ...(options.length === 0 ? [] : [optionTable(options)]),
    ...(more === '' ? [] : [`\`\`\`text\n${more}\n\`\`\``]),
  ].join('\n\n');
}

function usageOf(command: Command): string {
  const names = command.registeredArguments.map((argument) => {
    const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
    return argument.required ? `<${name}>` : `[${name}]`;
  });
  return [command.name(), ...names].join(' ');
}

function optionTable(options: readonly Option[]): string {
  return markdownTable(
    ['option', 'default', 'what'],
    options.map(({ flags, defaultValue, description, argChoices, mandatory }) => [
      code(flags),
      mandatory && defaultValue === undefined ? 'required' : defaultOf(defaultValue),
      `${escapeTags(description)}${argChoices === undefined ? '' : `; one of ${argChoices.map(code).join(', ')}`}`,
    ]),
  );
}

function defaultOf(value: unknown): string {
  return typeof value === 'string' ? code(value) : '-';
}

/** Markdown would take a name in angle brackets for a tag. */
function escapeTags(text: string): string {
  return text.replaceAll(/(?:[^\s(]*<[^>]+>)+[^\s),;]*/g, code);
}

/** What a command's help says below its options. */
function textAfterHelp(command: Command): string {
  let whole = '';
  command.configureOutput({ writeOut: (text) => (whole += text) });
  command.outputHelp();
  return whole.slice(command.helpInformation().length).trim();
}
