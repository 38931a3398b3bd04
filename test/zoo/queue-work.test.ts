import { existsSync, readdirSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { awaitServer } from "../../src/zoo/queue/await-server.ts";
import { parseQueue, type QueueAddress } from "../../src/zoo/queue/connect.ts";
import { type QueuedOptions, runQueued } from "../../src/zoo/queue/run-queued.ts";
import { serveMetrics } from "../../src/zoo/queue/serve-metrics.ts";
import { startWorker, type WorkOptions } from "../../src/zoo/queue/work.ts";
import { FolderStore } from "../../src/zoo/store/folder-store.ts";
import { blobPath } from "../../src/zoo/store/store.ts";
import type { PlannedJob } from "../../src/zoo/jobs/plan-job.ts";
import { makePlanned, quickJob } from "./make-planned.ts";
import { freePort, needsRedis, redisPath, startRedis, type StartedProcess } from "./redis-server.ts";

const password = "open-sesame";

describe.skipIf(redisPath === undefined)(`a queue and its workers (${needsRedis})`, () => {
  let folder: string;
  let server: StartedProcess;
  let port: number;
  let model: string;
  let stop: AbortController;
  const ended: Promise<void>[] = [];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "efqat-queue-"));
    model = join(folder, "model.onnx");
    await writeFile(model, "model");
    await mkdir(join(folder, "redis"));
    port = await freePort();
    server = startRedis(join(folder, "redis"), port, ["--requirepass", password]);
  });
  afterAll(async () => {
    server.kill("SIGKILL");
    await server.ended;
    await rm(folder, { recursive: true });
  });
  beforeEach(() => {
    stop = new AbortController();
  });
  afterEach(async () => {
    stop.abort();
    await Promise.all(ended.splice(0));
  });

  const place = (name: string): { address: QueueAddress; store: FolderStore; out: string } => ({
    address: parseQueue(`redis://:${password}@127.0.0.1:${port}?queue=${name}`),
    store: new FolderStore(join(folder, name, "store")),
    out: join(folder, name, "out"),
  });

  /** A worker that does one job at a time; gives the names of what it has done, as they come. */
  async function work(name: string, more: Partial<WorkOptions> = {}): Promise<string[]> {
    const done: string[] = [];
    const { address, store } = place(name);
    const worker = await startWorker({
      address,
      store,
      scratch: join(folder, name, "scratch"),
      module: quickJob,
      slots: 1,
      memoryBytes: 1e9,
      targets: new Set(["ort-cpu"]),
      signal: stop.signal,
      onEvent: () => undefined,
      onTrouble: () => undefined,
      onResult: (result) => void done.push(result.name),
      ...more,
    });
    ended.push(worker.closed);
    return done;
  }

  const patience = { lookInterval: 200, idleLooks: 3, failureDelay: 10 };
  const run = (name: string, jobs: PlannedJob[], more: Partial<QueuedOptions> = {}) =>
    runQueued(jobs, {
      ...place(name),
      memoryBytes: 1e9,
      signal: stop.signal,
      onEvent: () => undefined,
      patience,
      ...more,
    });

  const plan = (name: string, job: string, more: Partial<Parameters<typeof makePlanned>[1]> = {}) =>
    makePlanned(job, { model, out: place(name).out, ...more });

  test("jobs of a higher priority go first", async () => {
    const jobs = await Promise.all(
      [0, -5, 7, 1000].map((priority) => plan("order", `p${priority}`, { priority })),
    );
    let given = 0;
    const all = run("order", jobs, { onEvent: ({ type }) => void (given += type === "started" ? 1 : 0) });
    while (given < jobs.length) await sleep(20);
    const done = await work("order");
    const { results } = await all;
    expect(done).toEqual(["p1000", "p7", "p0", "p-5"]);
    expect(results.map(({ name, cause }) => [name, cause?.code])).toContainEqual(["p7", "model/quick"]);
  });

  test("what does not fit a worker is left to others, and said", async () => {
    const said: string[] = [];
    const jobs = [
      await plan("fit", "large", { memoryBytes: 5e9 }),
      await plan("fit", "qnn", { target: "qnn" }),
      await plan("fit", "small"),
    ];
    const all = run("fit", jobs, {
      onEvent: (event) => void (event.type === "queue" && said.push(event.what)),
    });
    const small = await work("fit");
    while (said.length === 0) await sleep(50);
    expect(small).toEqual(["small"]);
    expect(said[0]).toMatch(/^2 jobs wait: none of the 1 workers takes them/);
    const large = await work("fit", { memoryBytes: 8e9, targets: new Set(["ort-cpu", "qnn"]) });
    const { results } = await all;
    expect(results).toHaveLength(3);
    expect([...large].sort()).toEqual(["large", "qnn"]);
  });

  test("a job that workers fail at is a dead letter, which the next run tries again", async () => {
    const job = await plan("dead", "d");
    const { address, store } = place("dead");
    const blob = join(store.name, blobPath(job.model.sha256));
    await mkdir(join(blob, ".."), { recursive: true });
    await writeFile(blob, "other content");
    const metrics = await serveMetrics({ address, port: 0, host: "127.0.0.1", running: () => 0 });
    await work("dead");
    const { results, dead } = await run("dead", [job]);
    expect(results).toEqual([]);
    expect(dead).toEqual([
      { job: "d", reason: expect.stringContaining("does not have the content") as string },
    ]);
    const text = await (await fetch(`http://127.0.0.1:${metrics.port}/metrics`)).text();
    expect(text).toContain('efqat_queue_jobs{state="failed"} 1');
    await metrics.close();
    await rm(blob);
    expect((await run("dead", [job])).results.map(({ name }) => name)).toEqual(["d"]);
  });

  test("metrics count what a worker did; neither they nor the queue tell of paths and secrets", async () => {
    const { address, out } = place("count");
    const metrics = await serveMetrics({ address, port: 0, host: "127.0.0.1", running: () => 0 });
    const all = run("count", [await plan("count", "one"), await plan("count", "two")]);
    const redis = new Redis({ port, password });
    const queued = async (): Promise<string> =>
      (await redis.hget(`bull:count:${(await plan("count", "two")).key}`, "data")) ?? "";
    while ((await queued()) === "") await sleep(20);
    const payload = await queued();
    expect(JSON.parse(payload)).toMatchObject({ name: "two", model: { path: "model/model.onnx" } });
    for (const secret of [password, folder, "127.0.0.1"]) expect(payload).not.toContain(secret);
    redis.disconnect();
    await work("count", { onResult: metrics.count });
    await all;
    const read = async () => (await fetch(`http://127.0.0.1:${metrics.port}/metrics`)).text();
    // A worker counts a job when it has told of it.
    while (!(await read()).includes("efqat_job_seconds_count 2")) await sleep(20);
    const text = await read();
    expect(text).toContain('efqat_jobs_total{status="failed",cause="model/quick"} 2');
    expect(text).toContain("efqat_job_seconds_count 2");
    expect(text).toMatch(/^efqat_jobs_running 0$/m);
    expect(text).not.toContain(password);
    expect((await fetch(`http://127.0.0.1:${metrics.port}/healthz`)).status).toBe(200);
    expect((await fetch(`http://127.0.0.1:${metrics.port}/`)).status).toBe(404);
    await metrics.close();
    const results = readdirSync(join(out, "jobs"), { recursive: true, encoding: "utf8" });
    for (const file of results.filter((name) => name.endsWith(".json") || name.endsWith(".txt")))
      expect(await readFile(join(out, "jobs", file), "utf8")).not.toContain(password);
  });

  test("/healthz tells when Redis is away", async () => {
    const data = join(folder, "away");
    await mkdir(data);
    const here = await freePort();
    const away = startRedis(data, here);
    const address = parseQueue(`redis://127.0.0.1:${here}`);
    const metrics = await serveMetrics({ address, port: 0, host: "127.0.0.1", running: () => 0 });
    const health = async () => (await fetch(`http://127.0.0.1:${metrics.port}/healthz`)).status;
    while ((await health()) !== 200) await sleep(20);
    away.kill("SIGKILL");
    await away.ended;
    expect(await health()).toBe(503);
    await metrics.close();
  });

  test("a server that refuses, or that is not the one it should be, is an error; one that is away is waited for", async () => {
    const tls = join(folder, "tls");
    await mkdir(tls);
    await makeCertificates(tls);
    const secure = await freePort();
    const file = (name: string): string => join(tls, name);
    const options = [
      ...["--tls-port", String(secure), "--tls-cert-file", file("server.pem"), "--tls-auth-clients", "no"],
      ...[
        "--tls-key-file",
        file("server.key"),
        "--tls-ca-cert-file",
        file("ca.pem"),
        "--requirepass",
        password,
      ],
    ];
    const said: string[] = [];
    const open = async (queue: string): Promise<string> => {
      const settings = { signal: stop.signal, onTrouble: (what: string) => void said.push(what) };
      await awaitServer(parseQueue(queue), settings);
      return "ready";
    };
    const waited = open(`rediss://:${password}@localhost:${secure}?ca=${file("ca.pem")}`);
    while (said.length === 0) await sleep(20);
    expect(said[0]).toMatch(
      /^rediss:\/\/localhost:\d+ \(efqat-zoo\) cannot be reached \(.*ECONNREFUSED.*\); trying again$/s,
    );
    const server = startRedis(tls, 0, options);
    try {
      expect(await waited).toBe("ready");
      const wrong = open(`rediss://:wrong-one@localhost:${secure}?ca=${file("ca.pem")}`);
      await expect(wrong).rejects.toThrow("cannot be used: WRONGPASS");
      await expect(open(`rediss://localhost:${secure}?ca=${file("ca.pem")}`)).rejects.toThrow("NOAUTH");
      await expect(open(`rediss://:${password}@localhost:${secure}`)).rejects.toThrow(/certificate/);
      const name = open(`rediss://:${password}@127.0.0.1:${secure}?ca=${file("ca.pem")}`);
      await expect(name).rejects.toThrow(/does not match certificate/);
      await wrong.catch((error: unknown) => {
        expect(JSON.stringify(error) + String((error as Error).cause)).not.toContain("wrong-one");
      });
      expect(said.join()).not.toContain(password);
    } finally {
      server.kill("SIGKILL");
      await server.ended;
    }
    expect(() => parseQueue(`rediss://localhost?ca=${file("none.pem")}`)).toThrow("cannot be read (ENOENT)");
    expect(existsSync(file("ca.pem"))).toBe(true);
  });
});

/** A certificate authority of one's own, and a certificate of it for localhost. */
async function makeCertificates(folder: string): Promise<void> {
  const openssl = (...args: string[]) => execa("openssl", args, { cwd: folder });
  const key = ["-newkey", "rsa:2048", "-nodes"];
  await openssl(
    "req",
    "-x509",
    ...key,
    "-keyout",
    "ca.key",
    "-out",
    "ca.pem",
    "-days",
    "2",
    "-subj",
    "/CN=test",
  );
  await openssl("req", ...key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost");
  await writeFile(join(folder, "names"), "subjectAltName=DNS:localhost");
  const by = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
  await openssl(
    ...["x509", "-req", "-in", "server.csr", ...by, "-out", "server.pem", "-days", "2", "-extfile", "names"],
  );
}
