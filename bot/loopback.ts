/** @file Names of this machine. */

/** Whether a URL's host name is this machine's. The URL parser has expanded addresses such as 127.1. */
export const isLoopback = (hostname: string): boolean =>
  hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
