/** @file The tools of the brush. */
import type { JSX } from 'preact';

/** Diameters of the brush, percent of the picture's shorter side. */
export const SIZES = { least: 2, most: 50, first: 14, step: 4 };
interface ToolsProps {
  readonly percent: number;
  readonly onPercent: (percent: number) => void;
  readonly erases: boolean;
  readonly onErases: (erases: boolean) => void;
  readonly painted: boolean;
  readonly onUndo: () => void;
  readonly onClear: () => void;
  readonly onUse: () => void;
  readonly onCancel: () => void;
}

export function Tools(props: ToolsProps): JSX.Element {
  const { percent, onPercent, erases, onErases, painted, onUndo, onClear, onUse, onCancel } = props;
  const mode = (label: string, is: boolean) => (
    <button type="button" class="button" aria-pressed={erases === is} onClick={() => onErases(is)}>
      {label}
    </button>
  );
  return (
    <footer>
      <p>Paint what Krona draws again. Then say what the whole picture shows.</p>
      <div class="brush-tools">
        {mode('Paint', false)}
        {mode('Erase', true)}
        <label>
          Size
          <input
            type="range"
            min={SIZES.least}
            max={SIZES.most}
            value={percent}
            onInput={({ currentTarget }) => onPercent(Number(currentTarget.value))}
          />
        </label>
        <button type="button" class="button" disabled={!painted} onClick={onUndo}>
          Undo
        </button>
        <button type="button" class="button" disabled={!painted} onClick={onClear}>
          Clear
        </button>
      </div>
      <div class="brush-tools">
        <button type="button" class="button primary" disabled={!painted} onClick={onUse}>
          Use this part
        </button>
        <button type="button" class="button" onClick={onCancel}>
          Cancel
        </button>
      </div>
    </footer>
  );
}
