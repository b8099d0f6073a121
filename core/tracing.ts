/**
 * @file Traces of work from a message to the GPU and back, by OpenTelemetry. All spans of a run or set are in one trace, which
 * has the record's id: so processes and restarts need to pass nothing on. Without operation/tracing.ts, spans are nothing.
 */
import {
  type Attributes,
  ROOT_CONTEXT,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Context,
  type TimeInput,
} from '@opentelemetry/api';
import { describeError } from './errors.ts';

const tracer = trace.getTracer('krona');

/** The trace of a record. @param id - a UUID, which is as long as a trace's id */
function traceOf(id: string): Context {
  const traceId = id.replaceAll('-', '');
  // Spans need a parent to share a trace. Nobody records this one.
  const spanId = traceId.slice(16);
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: TraceFlags.SAMPLED });
}

/** Records a span that has passed. @param id - of the run or set that it belongs to @param endTime - now by default */
export function spanOf(
  id: string,
  name: string,
  startTime: TimeInput,
  attributes: Attributes = {},
  endTime?: TimeInput,
): void {
  tracer.startSpan(name, { startTime, attributes }, traceOf(id)).end(endTime);
}

/** Records work as a span, with the code of its error. @param id - of the run or set that it belongs to */
export async function traced<T>(
  id: string,
  name: string,
  work: () => Promise<T>,
  attributes: Attributes = {},
): Promise<T> {
  const span = tracer.startSpan(name, { attributes }, traceOf(id));
  try {
    return await work();
  } catch (error) {
    const { code } = describeError(error);
    span.setStatus({ code: SpanStatusCode.ERROR, message: code });
    throw error;
  } finally {
    span.end();
  }
}
