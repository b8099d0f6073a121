/** Greatest common divisor of whole numbers; gcd(0, n) is n. */
export function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
