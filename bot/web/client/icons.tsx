/** @file The page's drawings: stroked, 24×24, in the colour of the text around them. */
import type { ComponentChildren, JSX } from 'preact';

function Icon({ children, size = 18 }: { children: ComponentChildren; size?: number }): JSX.Element {
  return (
    <svg
      class="icon"
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      stroke-width="1.9"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      {children}
    </svg>
  );
}

type Size = { size?: number };

export const PlusIcon = (p: Size) => (
  <Icon {...p}>
    <path d="M12 5v14M5 12h14" />
  </Icon>
);
export const CloseIcon = (p: Size) => (
  <Icon {...p}>
    <path d="M6 6l12 12M18 6L6 18" />
  </Icon>
);
export const SendIcon = (p: Size) => (
  <Icon {...p}>
    <path d="M12 19V5M6 11l6-6 6 6" />
  </Icon>
);
export const PhotoIcon = (p: Size) => (
  <Icon {...p}>
    <rect x="3.5" y="4.5" width="17" height="15" rx="3" />
    <circle cx="9" cy="10" r="1.6" />
    <path d="M4 17l4.6-4.2a1.5 1.5 0 0 1 2 0L16 18M14 15.5l1.8-1.6a1.5 1.5 0 0 1 2 0l2.5 2.3" />
  </Icon>
);
export const DownloadIcon = (p: Size) => (
  <Icon {...p}>
    <path d="M12 4v11M7 11l5 5 5-5M5 20h14" />
  </Icon>
);
export const FileIcon = (p: Size) => (
  <Icon {...p}>
    <path d="M14 3H7.5A1.5 1.5 0 0 0 6 4.5v15A1.5 1.5 0 0 0 7.5 21h9a1.5 1.5 0 0 0 1.5-1.5V7z" />
    <path d="M14 3v4h4" />
  </Icon>
);
export const SunIcon = (p: Size) => (
  <Icon {...p}>
    <circle cx="12" cy="12" r="4" />
    <path d="M12 3v2M12 19v2M3 12h2M19 12h2M5.6 5.6l1.4 1.4M17 17l1.4 1.4M18.4 5.6L17 7M7 17l-1.4 1.4" />
  </Icon>
);
export const MoonIcon = (p: Size) => (
  <Icon {...p}>
    <path d="M20 14.5A8.2 8.2 0 0 1 9.5 4a8.2 8.2 0 1 0 10.5 10.5z" />
  </Icon>
);
export const MenuIcon = (p: Size) => (
  <Icon {...p}>
    <path d="M4 7h16M4 12h16M4 17h10" />
  </Icon>
);
export const BackIcon = (p: Size) => (
  <Icon {...p}>
    <path d="M15 5l-7 7 7 7" />
  </Icon>
);
export const NextIcon = (p: Size) => (
  <Icon {...p}>
    <path d="M9 5l7 7-7 7" />
  </Icon>
);
export const DownIcon = (p: Size) => (
  <Icon {...p}>
    <path d="M12 5v14M6 13l6 6 6-6" />
  </Icon>
);
export const EyeIcon = (p: Size) => (
  <Icon {...p}>
    <path d="M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12z" />
    <circle cx="12" cy="12" r="2.8" />
  </Icon>
);

/** Krona's own face: a crown of Kronecker blocks. */
export function Mark({ size = 22 }: Size): JSX.Element {
  return (
    <svg width={size} height={size} viewBox="0 0 24 24" fill="currentColor" aria-hidden="true">
      <rect x="3" y="4" width="4" height="4" rx="1.2" />
      <rect x="10" y="4" width="4" height="4" rx="1.2" />
      <rect x="17" y="4" width="4" height="4" rx="1.2" />
      <path d="M3 11.2A1.2 1.2 0 0 1 4.2 10h1.6A1.2 1.2 0 0 1 7 11.2v.6a1 1 0 0 0 1 1h1a1 1 0 0 0 1-1v-.6A1.2 1.2 0 0 1 11.2 10h1.6a1.2 1.2 0 0 1 1.2 1.2v.6a1 1 0 0 0 1 1h1a1 1 0 0 0 1-1v-.6a1.2 1.2 0 0 1 1.2-1.2h1.6a1.2 1.2 0 0 1 1.2 1.2V18a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2z" />
    </svg>
  );
}

/** A heart, filled when it is one's own. */
export function Heart({ full, size = 16 }: { full: boolean; size?: number }): JSX.Element {
  return (
    <svg
      class="icon"
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill={full ? 'currentColor' : 'none'}
      stroke="currentColor"
      stroke-width="2"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      <path d="M12 20.3S3.5 15.3 3.5 9.2A4.7 4.7 0 0 1 12 6.5a4.7 4.7 0 0 1 8.5 2.7c0 6.1-8.5 11.1-8.5 11.1z" />
    </svg>
  );
}
