/**
 * @file PGlite's files in a folder, for this user alone: Emscripten gives each file that it creates the mode 0666,
 * whatever the umask of the process is.
 */
import { NodeFS } from '@electric-sql/pglite/nodefs';

/** Permissions that other users and the group don't get. */
const OTHERS = 0o077;

type Init = NodeFS['init'];
type Started = Awaited<ReturnType<Init>>;
type PreRun = NonNullable<Started['emscriptenOpts']['preRun']>;

/** The part of Emscripten's NODEFS through which each mode goes. */
interface NodeOperations {
  setattr(node: object, attributes: { mode?: number | null }): void;
  mknod(parent: object, name: string, mode: number, device: number): object;
}

interface WithNodeFs {
  /** Other versions of PGlite may keep it to themselves. */
  readonly FS: { readonly filesystems?: { readonly NODEFS?: { readonly node_ops: NodeOperations } } };
}

export class PrivateNodeFs extends NodeFS {
  override async init(...given: Parameters<Init>): Promise<Started> {
    const { emscriptenOpts } = await super.init(...given);
    const before: PreRun = [(module: unknown) => maskModes(module as WithNodeFs)];
    return {
      emscriptenOpts: { ...emscriptenOpts, preRun: before.concat(emscriptenOpts.preRun ?? []) },
    };
  }
}

/** Without access to Emscripten's operations, the mode of the data folder alone keeps others out. */
function maskModes({ FS }: WithNodeFs): void {
  const operations = FS.filesystems?.NODEFS?.node_ops;
  if (operations === undefined) return;
  const setattr = operations.setattr.bind(operations);
  operations.setattr = (node, attributes) => {
    const { mode } = attributes;
    setattr(node, typeof mode === 'number' ? { ...attributes, mode: mode & ~OTHERS } : attributes);
  };
  const mknod = operations.mknod.bind(operations);
  operations.mknod = (parent, name, mode, device) => mknod(parent, name, mode & ~OTHERS, device);
}
