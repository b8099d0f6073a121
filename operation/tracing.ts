/** @file Sends traces to an OpenTelemetry collector, where OTEL_EXPORTER_OTLP_ENDPOINT is set. */
import { setTimeout as sleep } from 'node:timers/promises';
import { trace } from '@opentelemetry/api';
import { readEnvironment } from '../core/environment.ts';
import { version } from '../core/package.ts';

/** A collector that takes longer to answer loses what it was sent, ms. */
const PATIENCE = 3_000;

/**
 * Starts sending. The packages are loaded only then.
 *
 * @returns what sends the rest and ends it
 */
export async function startTracing(part: 'bot' | 'worker'): Promise<() => Promise<void>> {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint } = readEnvironment();
  if (endpoint === undefined) return async () => {};
  const [{ BasicTracerProvider, BatchSpanProcessor }, { OTLPTraceExporter }, { resourceFromAttributes }] =
    await Promise.all([
      import('@opentelemetry/sdk-trace-base'),
      import('@opentelemetry/exporter-trace-otlp-http'),
      import('@opentelemetry/resources'),
    ]);
  const exporter = new OTLPTraceExporter({
    url: `${endpoint.replace(/\/+$/, '')}/v1/traces`,
    timeoutMillis: PATIENCE,
  });
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': `krona-${part}`, 'service.version': version }),
    spanProcessors: [new BatchSpanProcessor(exporter)],
  });
  trace.setGlobalTracerProvider(provider);
  return async () => {
    trace.disable();
    // A collector that is away, or answers without an end, must not hold the process.
    const late = new AbortController();
    const sent = provider.shutdown().catch(() => undefined);
    await Promise.race([sent, sleep(PATIENCE, undefined, late).catch(() => undefined)]);
    late.abort();
  };
}
