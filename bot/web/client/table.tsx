/** @file A table. On a phone, it is a list of its rows. */
import type { ComponentChildren, JSX } from 'preact';

interface TableProps {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly ComponentChildren[])[];
}

export function Table({ columns, rows }: TableProps): JSX.Element {
  return (
    // The keyboard scrolls what has the focus. Roles are named, as browsers forget them where rows are shown as blocks.
    <div
      class={['table', ...(columns.length > 1 ? ['listed', columns.length > 2 ? 'wide' : 'pairs'] : [])].join(
        ' ',
      )}
      tabIndex={0}
      role="region"
      aria-label={columns.filter((column) => column !== '').join(', ')}
    >
      <table role="table">
        <thead role="rowgroup">
          <tr role="row">
            {columns.map((column, index) => (
              <th key={index} scope="col" role="columnheader">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {rows.map((row, index) => (
            <tr key={index} role="row">
              {row.map((cell, column) => (
                <td key={column} role="cell" data-column={columns[column]}>
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
