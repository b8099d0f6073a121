/** @file Slack workspaces that have Krona, on the administrator's page, and the link for another one. */
import type { JSX } from 'preact';
import type { SlackView } from '../protocol.ts';
import { ago } from './format.ts';
import { Table } from './table.tsx';

export function SlackWorkspaces({ installLink, workspaces }: SlackView): JSX.Element {
  return (
    <>
      <p>
        <a href={installLink}>Install Krona in a workspace</a>, or send this link to its administrator. It
        lasts a week. To remove Krona, remove the app in the workspace.
      </p>
      {workspaces.length > 0 && (
        <Table
          columns={['workspace', 'installed']}
          rows={workspaces.map(({ id, name, at }) => [
            <span key="workspace">
              <b>{name}</b> <small>{id}</small>
            </span>,
            ago(at),
          ])}
        />
      )}
    </>
  );
}
