/** @file A NuGet feed and an index of Python packages on this machine, which both serve onnxruntime with CUDA. */
import { createHash } from 'node:crypto';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import AdmZip from 'adm-zip';
import { PROVIDER_FILES } from '../../gpu-worker/graph/cuda-libraries.ts';
import type { Registries } from '../../cli/device-install/registry.ts';

/** Bytes that no compression shortens, so that a download takes several pieces. */
export const PROVIDER_BYTES: Readonly<Record<string, Buffer>> = Object.fromEntries(
  PROVIDER_FILES.map((name) => [name, noise(name, 200_000)]),
);

function noise(name: string, length: number): Buffer {
  const pieces: Buffer[] = [];
  for (let at = 0; at < length; at += 32) pieces.push(createHash('sha256').update(`${name} ${at}`).digest());
  return Buffer.concat(pieces);
}

export function wheel(version: string): Buffer {
  const zip = new AdmZip();
  zip.addFile(`onnxruntime_gpu-${version}.dist-info/METADATA`, Buffer.from(`Version: ${version}\n`));
  for (const name of PROVIDER_FILES) zip.addFile(`onnxruntime/capi/${name}`, PROVIDER_BYTES[name]!);
  return zip.toBuffer();
}

export function nupkg(version: string): Buffer {
  const zip = new AdmZip();
  const nuspec = `<package><metadata><version>${version}</version></metadata></package>`;
  zip.addFile('Microsoft.ML.OnnxRuntime.Gpu.Linux.nuspec', Buffer.from(nuspec));
  for (const name of PROVIDER_FILES) zip.addFile(`runtimes/linux-x64/native/${name}`, PROVIDER_BYTES[name]!);
  return zip.toBuffer();
}

export interface Asked {
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

export class FakeRegistry {
  readonly asked: Asked[] = [];
  /** The feed answers with 503. */
  nugetDown = false;
  /** Connections are cut after so many bytes of a package, this many times. */
  cutAfter = 0;
  cuts = 0;
  /** One byte of every package is changed. */
  damaged = false;
  readonly #packages: { readonly nupkg: Buffer; readonly wheel: Buffer };
  readonly #version: string;
  readonly #server: Server;

  private constructor(version: string, inside: string) {
    this.#version = version;
    this.#packages = { nupkg: nupkg(inside), wheel: wheel(inside) };
    this.#server = createServer((request, response) => {
      const path = new URL(request.url!, 'http://here').pathname;
      this.asked.push({ path, range: request.headers.range, authorization: request.headers.authorization });
      this.#answer(path, request.headers.range, response);
    });
  }

  /** @param inside - the version that the packages themselves say */
  static async start(version: string, inside = version): Promise<FakeRegistry> {
    const registry = new FakeRegistry(version, inside);
    await new Promise<void>((resolve) => registry.#server.listen(0, '127.0.0.1', resolve));
    return registry;
  }

  get #origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get addresses(): Registries {
    return { nuget: new URL(`${this.#origin}/v3/index.json`), pypi: new URL(`${this.#origin}/simple/`) };
  }

  /** Packages asked for, and from where on. */
  get downloads(): string[] {
    return this.asked
      .filter(({ path }) => path.startsWith('/files/'))
      .map(({ path, range }) => `${path.slice('/files/'.length)} ${range ?? 'all'}`);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(path: string, range: string | undefined, response: ServerResponse): void {
    const json = (body: unknown) => response.end(JSON.stringify(body));
    const { nupkg, wheel } = this.#packages;
    const registration = `/v3/registration/microsoft.ml.onnxruntime.gpu.linux/${this.#version}.json`;
    if (path.startsWith('/v3/') && this.nugetDown) response.writeHead(503).end();
    else if (path === '/v3/index.json')
      json({
        resources: [{ '@id': `${this.#origin}/v3/registration`, '@type': 'RegistrationsBaseUrl/3.6.0' }],
      });
    else if (path === registration)
      json({ packageContent: '/files/gpu.nupkg', catalogEntry: `${this.#origin}/v3/entry.json` });
    else if (path === '/v3/entry.json')
      json({
        packageHash: createHash('sha512').update(nupkg).digest('base64'),
        packageHashAlgorithm: 'SHA512',
        packageSize: nupkg.length,
      });
    else if (path === '/simple/onnxruntime-gpu/')
      json({
        files: [
          { filename: 'onnxruntime_gpu-1.0.0.tar.gz', url: '/files/old', hashes: {} },
          {
            filename: `onnxruntime_gpu-${this.#version}-cp313-cp313-manylinux_2_28_x86_64.whl`,
            url: '../../files/gpu.whl',
            size: wheel.length,
            hashes: { sha256: createHash('sha256').update(wheel).digest('hex') },
          },
        ],
      });
    else if (path === '/files/gpu.nupkg') this.#send(nupkg, range, response);
    else if (path === '/files/gpu.whl') this.#send(wheel, range, response);
    else response.writeHead(404).end();
  }

  #send(all: Buffer, range: string | undefined, response: ServerResponse): void {
    const start = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
    const bytes = Buffer.from(all.subarray(start));
    if (this.damaged) bytes[bytes.length >> 1]! ^= 1;
    response.writeHead(start > 0 ? 206 : 200, { 'content-length': bytes.length });
    if (this.cuts-- > 0) response.write(bytes.subarray(0, this.cutAfter), () => response.socket!.end());
    else response.end(bytes);
  }
}
