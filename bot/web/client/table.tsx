/** @file A table. On a phone, one with more than two columns shows each row below the other. */
import type { ComponentChildren, JSX } from 'preact';

interface TableProps {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly ComponentChildren[])[];
}

export function Table({ columns, rows }: TableProps): JSX.Element {
  return (
    // The keyboard scrolls what has the focus.
    <div
      class={columns.length > 2 ? 'table wide' : 'table'}
      tabIndex={0}
      role="region"
      aria-label={columns.filter((column) => column !== '').join(', ')}
    >
      <table>
        <thead>
          <tr>
            {columns.map((column, index) => (
              <th key={index} scope="col">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => (
            <tr key={index}>
              {row.map((cell, column) => (
                <td key={column} data-column={columns[column]}>
                  {cell}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
