import { createReadStream, createWriteStream } from "node:fs";
import { stat } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type * as s3Package from "@aws-sdk/client-s3";
import { environmentError, usageError } from "../../errors.ts";
import { blobPath, resultPath, type Store } from "./store.ts";

type S3 = typeof s3Package;

/** The package is optional: only who keeps a zoo in S3 installs it. */
async function loadS3(): Promise<S3> {
  try {
    return await import("@aws-sdk/client-s3");
  } catch (cause) {
    const hint = "Install it: npm install @aws-sdk/client-s3";
    throw environmentError(
      "package",
      "The package for S3 is not installed",
      "@aws-sdk/client-s3",
      hint,
      cause,
    );
  }
}

/**
 * Objects of an S3-compatible server, "s3://BUCKET/PREFIX?endpoint=URL&region=NAME". Credentials are found by the SDK
 * itself, as other tools find them; the URL must hold none.
 */
export async function openS3(text: string): Promise<Store> {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.hostname === "")
    throw usageError(
      "store",
      "The address of the store is none of S3",
      "--store",
      "Give s3://BUCKET/PREFIX?endpoint=URL.",
    );
  if (url.username !== "" || url.password !== "")
    throw usageError(
      "store",
      "The URL of the store holds credentials",
      "--store",
      "Give them to the SDK: AWS_ACCESS_KEY_ID, ...",
    );
  const s3 = await loadS3();
  const endpoint = url.searchParams.get("endpoint");
  const client = new s3.S3Client({
    region: url.searchParams.get("region") ?? "us-east-1",
    // Servers other than Amazon's mostly have the bucket in the path.
    ...(endpoint === null ? {} : { endpoint, forcePathStyle: true }),
    // Not all servers know the SDK's own checksums; content is verified by its hash.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
  });
  const prefix = url.pathname.replace(/^\/+|\/+$/g, "");
  return new S3Store(s3, client, { bucket: url.hostname, prefix: prefix === "" ? "" : `${prefix}/` });
}

class S3Store implements Store {
  readonly name: string;
  readonly #s3: S3;
  readonly #client: s3Package.S3Client;
  readonly #place: { bucket: string; prefix: string };

  constructor(s3: S3, client: s3Package.S3Client, place: { bucket: string; prefix: string }) {
    this.#s3 = s3;
    this.#client = client;
    this.#place = place;
    this.name = `s3://${place.bucket}/${place.prefix}`;
  }

  #at(path: string): { Bucket: string; Key: string } {
    return { Bucket: this.#place.bucket, Key: `${this.#place.prefix}${path}` };
  }

  async hasBlob(sha256: string): Promise<boolean> {
    try {
      await this.#client.send(new this.#s3.HeadObjectCommand(this.#at(blobPath(sha256))));
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  async putBlob(sha256: string, file: string): Promise<void> {
    const { size } = await stat(file);
    const body = { Body: createReadStream(file), ContentLength: size };
    await this.#client.send(new this.#s3.PutObjectCommand({ ...this.#at(blobPath(sha256)), ...body }));
  }

  async readBlob(sha256: string, file: string): Promise<void> {
    const { Body } = await this.#client.send(new this.#s3.GetObjectCommand(this.#at(blobPath(sha256))));
    if (!(Body instanceof Readable)) throw new Error("the object has no content");
    await pipeline(Body, createWriteStream(file));
  }

  async readResult(key: string): Promise<string | undefined> {
    try {
      const found = await this.#client.send(new this.#s3.GetObjectCommand(this.#at(resultPath(key))));
      return await found.Body?.transformToString();
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /** Servers that know no conditions keep the last one, which is of the same content. */
  async putResult(key: string, text: string): Promise<boolean> {
    if ((await this.readResult(key)) !== undefined) return false;
    try {
      const object = { ...this.#at(resultPath(key)), Body: text, IfNoneMatch: "*" };
      await this.#client.send(new this.#s3.PutObjectCommand(object));
      return true;
    } catch (error) {
      if (statusOf(error) === 412) return false;
      throw error;
    }
  }
}

const statusOf = (error: unknown): number | undefined =>
  (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;

const isMissing = (error: unknown): boolean => statusOf(error) === 404;
