export function documentedPackages(installed?: readonly string[]): Map<string, string[]>;
