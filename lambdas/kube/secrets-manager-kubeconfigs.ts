import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { ClusterUnreachableError, NotFoundError, PermissionError, type LifeboatError } from '../domain/errors.ts';
import { Secret } from '../domain/secret.ts';
import type { Kubeconfigs } from './kubeconfigs.ts';

/** Bounds one call, connection included; the SDK retries three times within its own back-off. */
const TIMEOUT_MILLISECONDS = 10_000;

/**
 * Kubeconfigs held as text in AWS Secrets Manager; `read` takes the secret's name or ARN. Credentials and region come
 * from the SDK's default chain.
 */
export function secretsManagerKubeconfigs(client = new SecretsManagerClient({})): Kubeconfigs {
  return {
    async read(secretId) {
      const source = `secret ${secretId} of Secrets Manager`;
      try {
        const reply = await client.send(new GetSecretValueCommand({ SecretId: secretId }), {
          abortSignal: AbortSignal.timeout(TIMEOUT_MILLISECONDS),
        });
        if (reply.SecretString !== undefined) return { text: new Secret(reply.SecretString), source };
      } catch (error) {
        throw translate(error, source);
      }
      throw new NotFoundError(`${source} holds binary data instead of text`, {
        remedy: 'Store the kubeconfig as the secret string.',
      });
    },
  };
}

function translate(cause: unknown, source: string): LifeboatError {
  const { name, $metadata } = cause as { name?: string; $metadata?: { httpStatusCode?: number } };
  if (name === 'ResourceNotFoundException') {
    return new NotFoundError(`${source} does not exist`, {
      remedy: 'Create it with the kubeconfig as its text, or correct the name and the region (AWS_REGION).',
      cause,
    });
  }
  const status = $metadata?.httpStatusCode ?? 0;
  if (name === 'CredentialsProviderError' || (status >= 400 && status < 500)) {
    return new PermissionError(`${source} may not be read: ${name ?? 'refused'}`, {
      remedy: 'Give AWS credentials that allow secretsmanager:GetSecretValue on it, and kms:Decrypt on its key.',
      cause,
    });
  }
  return new ClusterUnreachableError(`${source} could not be read: Secrets Manager did not answer`, {
    remedy: 'Check region and network, then try again.',
    cause,
  });
}
