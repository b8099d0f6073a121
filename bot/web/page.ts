/** @file The page itself: the client's code and style, bundled once at start-up and kept in memory, compressed. */
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { build, stop } from 'esbuild';
import type { Context } from 'hono';
import { getCookie } from 'hono/cookie';

interface Asset {
  readonly type: string;
  readonly bodies: Readonly<Record<'br' | 'gzip' | 'identity', Uint8Array<ArrayBuffer>>>;
}

export interface Page {
  /** Changes whenever the client's code does. */
  readonly bundle: string;
  html(context: Context): Response;
  asset(context: Context, name: string): Response | null;
}

const ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#231f1a"/><g fill="#f0b743"><rect x="7" y="8" width="5" height="5" rx="1.4"/><rect x="13.5" y="8" width="5" height="5" rx="1.4"/><rect x="20" y="8" width="5" height="5" rx="1.4"/><path d="M7 16a1.5 1.5 0 0 1 1.5-1.5h2A1.5 1.5 0 0 1 12 16v.5h1.5V16a1.5 1.5 0 0 1 1.5-1.5h2a1.5 1.5 0 0 1 1.5 1.5v.5H20V16a1.5 1.5 0 0 1 1.5-1.5h2A1.5 1.5 0 0 1 25 16v7a2 2 0 0 1-2 2H9a2 2 0 0 1-2-2z"/></g></svg>`;

/** Bundles the client: some 0.2 s, once a process. */
export async function buildPage(): Promise<Page> {
  const output = await bundled();
  const assets = new Map<string, Asset>();
  const add = (stem: string, extension: string, type: string, bytes: Uint8Array): string => {
    const name = `${stem}-${createHash('sha256').update(bytes).digest('hex').slice(0, 12)}.${extension}`;
    const bodies = {
      br: new Uint8Array(brotliCompressSync(bytes)),
      gzip: new Uint8Array(gzipSync(bytes)),
      identity: new Uint8Array(bytes),
    };
    assets.set(name, { type, bodies });
    return name;
  };
  const script = add('app', 'js', 'text/javascript; charset=utf-8', output('.js'));
  const style = add('app', 'css', 'text/css; charset=utf-8', output('.css'));
  const icon = add('icon', 'svg', 'image/svg+xml', Buffer.from(ICON));
  return {
    bundle: `${script} ${style}`,
    html: (context) =>
      context.html(document({ script, style, icon }, getCookie(context, 'krona-theme')), 200, {
        'cache-control': 'no-cache',
      }),
    asset: (context, name) => answer(context, assets.get(name)),
  };
}

/** The client's code and style, by how the file's name ends. */
async function bundled(): Promise<(end: string) => Uint8Array> {
  const { outputFiles } = await build({
    entryPoints: { app: fileURLToPath(new URL('client/main', import.meta.url)) },
    bundle: true,
    minify: true,
    write: false,
    outdir: '/',
    format: 'esm',
    target: 'es2022',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    define: { 'process.env.NODE_ENV': '"production"' },
    charset: 'utf8',
    legalComments: 'none',
    logLevel: 'silent',
  });
  // The bundler is a process of its own and not needed again.
  await stop();
  return (end) => {
    const file = outputFiles.find(({ path }) => path.endsWith(end));
    if (file === undefined) throw new Error(`the bundler wrote no ${end} file`);
    return file.contents;
  };
}

/** The document that loads the client. @param theme - as the page's cookie says */
function document(
  { script, style, icon }: Readonly<Record<'script' | 'style' | 'icon', string>>,
  theme: string | undefined,
): string {
  const chosen = theme === 'light' || theme === 'dark' ? ` data-theme="${theme}"` : '';
  return (
    `<!doctype html><html lang="en"${chosen}><head><meta charset="utf-8"><title>Krona</title>` +
    `<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover, interactive-widget=resizes-content">` +
    `<meta name="description" content="Train an image model on your photos, and generate pictures together.">` +
    `<link rel="icon" href="/assets/${icon}"><link rel="stylesheet" href="/assets/${style}">` +
    `<script type="module" src="/assets/${script}"></script></head>` +
    `<body><noscript>Krona's chat needs JavaScript.</noscript></body></html>`
  );
}

/** An asset in the best encoding that the browser accepts; null when there is none. */
function answer(context: Context, asset: Asset | undefined): Response | null {
  if (asset === undefined) return null;
  const accepted = context.req.header('accept-encoding') ?? '';
  const encoding = /\bbr\b/.test(accepted) ? 'br' : /\bgzip\b/.test(accepted) ? 'gzip' : 'identity';
  return context.body(asset.bodies[encoding], 200, {
    'content-type': asset.type,
    'cache-control': 'public, max-age=31536000, immutable',
    vary: 'accept-encoding',
    ...(encoding === 'identity' ? {} : { 'content-encoding': encoding }),
  });
}
