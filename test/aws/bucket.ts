import {
  CreateBucketCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  S3Client,
} from "@aws-sdk/client-s3";
import { MOTO_SECRET, type Moto } from "./moto.ts";

/** A bucket of a stand-in for S3, as a person sees it. */
export interface TestBucket {
  readonly client: S3Client;
  /** The keys of its objects, sorted. */
  keys(): Promise<readonly string[]>;
  /** The keys of uploads that nobody finished or gave up, sorted. */
  uploads(): Promise<readonly string[]>;
  get(key: string): Promise<Buffer>;
}

/** Milliseconds for the hook that makes one: the first time, moto is installed. */
export const BUCKET_TIMEOUT = 600_000;

export async function makeBucket({ endpoint }: Moto, Bucket: string): Promise<TestBucket> {
  const region = "eu-central-1";
  const credentials = { accessKeyId: "testing", secretAccessKey: MOTO_SECRET };
  const client = new S3Client({ endpoint, region, credentials });
  await client.send(new CreateBucketCommand({ Bucket, CreateBucketConfiguration: { LocationConstraint: region } }));
  return {
    client,
    async keys() {
      const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket }));
      return Contents.map(({ Key = "" }) => Key).sort();
    },
    async uploads() {
      const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket }));
      return Uploads.map(({ Key = "" }) => Key).sort();
    },
    async get(Key) {
      const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
      return Buffer.from((await Body?.transformToByteArray()) ?? []);
    },
  };
}
