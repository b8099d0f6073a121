/** @file The channels of all platforms, to choose one on the administrator's page. */
import type { JSX } from 'preact';
import type { AdministrationView } from '../protocol.ts';

export const ChannelOptions = ({ channels }: Pick<AdministrationView, 'channels'>): JSX.Element => (
  <>
    {channels.map(({ id, name, platform }) => (
      <option key={id} value={id}>
        #{name} ({platform})
      </option>
    ))}
  </>
);
