/** @file A member's face: initials on a colour of their own; Krona's is its mark. */
import type { JSX } from 'preact';
import type { MemberView } from '../protocol.ts';
import { hueOf, initials } from './format.ts';
import { Mark } from './icons.tsx';

export function Avatar({ member, size = 36 }: { member: MemberView | null; size?: number }): JSX.Element {
  const box = { width: `${size}px`, height: `${size}px`, fontSize: `${size * 0.38}px` };
  if (member === null)
    return (
      <span class="avatar krona" style={box} aria-hidden="true">
        <Mark size={size * 0.6} />
      </span>
    );
  return (
    <span
      class="avatar"
      style={{ ...box, '--hue': String(hueOf(member.id)) }}
      aria-hidden="true"
      title={member.name}
    >
      {initials(member.name)}
    </span>
  );
}
