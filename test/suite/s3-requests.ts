import type { FaultRule, HttpFault, SeenRequest } from '../testbed/http-fault-proxy.ts';

/** What a request to S3 asks for, in S3's words, and for a PutObject which file of a recovery point it writes. */
export function describeS3Request({ method, path, query }: SeenRequest): string {
  const object = path.slice(path.lastIndexOf('/') + 1);
  switch (method) {
    case 'POST':
      return query.has('uploads') ? 'CreateMultipartUpload' : 'CompleteMultipartUpload';
    case 'PUT':
      return query.has('partNumber') ? 'UploadPart' : `PutObject ${object}`;
    case 'DELETE':
      return query.has('uploadId') ? 'AbortMultipartUpload' : 'DeleteObject';
    case 'HEAD':
      return 'HeadObject';
    default:
      if (query.has('list-type')) return 'ListObjectsV2';
      if (query.has('uploads')) return 'ListMultipartUploads';
      return query.has('uploadId') ? 'ListParts' : `GetObject ${object}`;
  }
}

/** A fault for requests of one kind. */
export function faultOn(request: string, fault: HttpFault, times?: number): FaultRule {
  return {
    when: (seen) => describeS3Request(seen) === request,
    fault,
    ...(times === undefined ? {} : { times }),
  };
}
