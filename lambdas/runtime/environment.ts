import { readFileSync } from 'node:fs';
import { configurationSchema, type Configuration } from '../domain/configuration.ts';
import { ConfigurationError } from '../domain/errors.ts';

/**
 * The configuration that the stack was deployed with: the checked `lifeboat.yaml` as JSON, from the layer that all functions
 * share, with the bucket of the stack as its store. ConfigurationError when the environment is not the stack's.
 */
export function readConfiguration(): Configuration {
  const file = requiredVariable('LIFEBOAT_CONFIGURATION_FILE');
  const configuration = configurationSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  return { ...configuration, store: requiredVariable('LIFEBOAT_STORE') };
}

/** A variable that the stack sets for this function. */
export function requiredVariable(name: string): string {
  const value = process.env[name];
  if (value !== undefined && value !== '') return value;
  throw new ConfigurationError(`the function's environment has no ${name}`, {
    remedy: 'Deploy the stack again; its functions get their environment from it.',
  });
}
