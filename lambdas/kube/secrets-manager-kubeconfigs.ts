import { randomUUID } from 'node:crypto';
import {
  CreateSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
  TagResourceCommand,
} from '@aws-sdk/client-secrets-manager';
import { clientSettings } from '../aws/attempts.ts';
import type { Explanation } from '../aws/explanations.ts';
import { awsService, limitsOf, notThisServiceError, requestOf, type AwsOptions } from '../aws/service.ts';
import { AwsUnavailableError, ClusterUnreachableError, ConfigurationError, NotFoundError } from '../domain/errors.ts';
import { Secret } from '../domain/secret.ts';
import type { Kubeconfigs } from './kubeconfigs.ts';

const EXPLANATIONS: Readonly<Record<string, Explanation>> = {
  ResourceNotFoundException: [
    'it does not exist or has no value',
    NotFoundError,
    'Create it with the kubeconfig as its text, or correct the name and the region (AWS_REGION).',
  ],
  InvalidRequestException: [
    'it is scheduled for deletion, or managed by another service',
    ConfigurationError,
    'Take the deletion back with "aws secretsmanager restore-secret", or use another name.',
  ],
  InvalidParameterException: [
    'its name or its text is not accepted',
    ConfigurationError,
    'A name has letters, digits and /_+=.@-; a text has at most 64 KiB.',
  ],
};
// Without its kubeconfig a cluster can't be reached, which is how steps and their retries look at it.
const READING = awsService('Secrets Manager', ClusterUnreachableError, EXPLANATIONS);
const WRITING = awsService('Secrets Manager', AwsUnavailableError, EXPLANATIONS);

/** By this tag policies of IAM and people tell our secrets from others. */
const TAGS = [{ Key: 'lifeboat', Value: 'management-cluster' }];
/** When the credentials end, and the version of the secret of which that is true: whoever replaces it by hand need not know of this. */
const END_TAG = 'lifeboat-credentials-end';

/**
 * Kubeconfigs held as text in AWS Secrets Manager; `read` takes the secret's name or ARN. Region and credentials come from
 * the SDK's default chain.
 */
export function secretsManagerKubeconfigs(options: AwsOptions = {}): Kubeconfigs {
  const limits = limitsOf(options);
  const client = new SecretsManagerClient(clientSettings(limits));
  return {
    async read(secretId) {
      const source = sourceOf(secretId);
      const permission = 'secretsmanager:GetSecretValue on it and kms:Decrypt on its key';
      const call = { verb: 'read', object: source, permission };
      const { SecretString, SecretBinary } = await requestOf(READING, { call, limits }, (http) =>
        client.send(new GetSecretValueCommand({ SecretId: secretId }), http),
      );
      if (SecretString !== undefined) return { text: new Secret(SecretString), source };
      if (SecretBinary === undefined) throw notThisServiceError(READING, call);
      throw new NotFoundError(`${source} holds binary data instead of text`, {
        remedy: 'Store the kubeconfig as the secret string.',
      });
    },
  };
}

/**
 * Stores a kubeconfig as text: creates the secret, or gives an existing one a new version, after which the former is still
 * there as AWSPREVIOUS. Safe to repeat. PermissionError, ConfigurationError (the secret is about to be deleted, or its
 * name is none), AwsUnavailableError after bounded retries.
 */
export async function storeKubeconfigSecret(
  name: string,
  text: Secret,
  { credentialsEndAt, ...options }: AwsOptions & { readonly credentialsEndAt?: Date } = {},
): Promise<void> {
  const limits = limitsOf(options);
  const client = new SecretsManagerClient(clientSettings(limits));
  const object = sourceOf(name);
  // One token for all attempts: whichever of them arrives twice makes one version.
  const value = { SecretString: text.reveal(), ClientRequestToken: randomUUID() };
  const tags = [...TAGS];
  if (credentialsEndAt !== undefined)
    tags.push({ Key: END_TAG, Value: `${credentialsEndAt.toISOString()} ${value.ClientRequestToken}` });
  try {
    const creating = { verb: 'create', object, permission: 'secretsmanager:CreateSecret and TagResource' };
    const outcome = await requestOf<'created' | 'exists'>(
      WRITING,
      {
        call: creating,
        limits,
        rescue: ({ code }, error) => {
          if (code === 'ResourceExistsException') return 'exists';
          throw error;
        },
      },
      async (http) => {
        await client.send(new CreateSecretCommand({ Name: name, Tags: tags, ...value }), http);
        return 'created';
      },
    );
    if (outcome === 'created') return;
    const tagging = { verb: 'tag', object, permission: 'secretsmanager:TagResource' };
    await requestOf(WRITING, { call: tagging, limits }, (http) =>
      client.send(new TagResourceCommand({ SecretId: name, Tags: tags }), http),
    );
    const putting = { verb: 'write', object, permission: 'secretsmanager:PutSecretValue' };
    await requestOf(WRITING, { call: putting, limits }, (http) =>
      client.send(new PutSecretValueCommand({ SecretId: name, ...value }), http),
    );
  } finally {
    client.destroy();
  }
}

/**
 * When the credentials of a kubeconfig end that {@link storeKubeconfigSecret} has stored, by a tag and without reading them; null
 * when nobody has said it of this version. Errors as of reading.
 */
export async function describedCredentialsEndAt(secretId: string, options: AwsOptions = {}): Promise<Date | null> {
  const limits = limitsOf(options);
  const client = new SecretsManagerClient(clientSettings(limits));
  const call = { verb: 'describe', object: sourceOf(secretId), permission: 'secretsmanager:DescribeSecret on it' };
  try {
    const { Tags = [], VersionIdsToStages = {} } = await requestOf(READING, { call, limits }, (http) =>
      client.send(new DescribeSecretCommand({ SecretId: secretId }), http),
    );
    const [end = '', version = ''] = Tags.find(({ Key }) => Key === END_TAG)?.Value?.split(' ') ?? [];
    const isCurrent = VersionIdsToStages[version]?.includes('AWSCURRENT') === true;
    return isCurrent && !Number.isNaN(Date.parse(end)) ? new Date(end) : null;
  } finally {
    client.destroy();
  }
}

function sourceOf(secretId: string): string {
  return `secret ${secretId} of Secrets Manager`;
}
