/** @file One matrix product on the runtime: the reference rate for everything else that it multiplies. */
import { compile } from '../gpu-worker/graph/compile.ts';
import * as op from '../gpu-worker/graph/ops.ts';
import { Session } from '../gpu-worker/graph/runtime.ts';

export interface ProductShape {
  readonly rows: number;
  readonly inner: number;
  readonly columns: number;
  /** Constant, so that the runtime packs it when the session opens, as it does with a model's weights. */
  readonly constant: boolean;
}

export interface BestProduct {
  readonly shape: ProductShape;
  /** Operations per second. */
  readonly rate: number;
}

type ProductSession = Session<{ readonly product: Float32Array }>;

export class Product {
  readonly #session: ProductSession;
  readonly #feeds: Readonly<Record<string, Float32Array>>;
  readonly #into: { readonly product: Float32Array };
  readonly #flops: number;

  private constructor(session: ProductSession, shape: ProductShape) {
    const { rows, inner, columns, constant } = shape;
    this.#session = session;
    this.#feeds = {
      left: values(rows * inner),
      ...(constant ? {} : { right: values(inner * columns) }),
    };
    this.#into = { product: new Float32Array(rows * columns) };
    this.#flops = 2 * rows * inner * columns;
  }

  static async create(shape: ProductShape): Promise<Product> {
    const { rows, inner, columns, constant } = shape;
    const left = op.input('left', [rows, inner]);
    const right = constant
      ? op.constant(values(inner * columns), [inner, columns])
      : op.input('right', [inner, columns]);
    const product = new Product(await Session.create(compile({ product: op.matmul(left, right) })), shape);
    await product.rate();
    await product.rate();
    return product;
  }

  /** Multiplies once. @returns operations per second */
  async rate(): Promise<number> {
    const began = performance.now();
    await this.#session.run(this.#feeds, this.#into);
    return (this.#flops / (performance.now() - began)) * 1000;
  }

  release(): Promise<void> {
    return this.#session.release();
  }
}

const values = (length: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => Math.sin(i * 12.9898));
