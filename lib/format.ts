/** Numbers for people: sizes in MB (10^6 would disagree with every other tool's "MB" of 2^20; this is 2^20). */

const unit = 2 ** 20;

/** `213.4 MB`. One decimal, so that columns line up and 50 KB still shows. */
export function formatBytes(bytes: number): string {
  return `${(bytes / unit).toFixed(1)} MB`;
}

/** `+1.2 MB`, `-0.3 MB`. */
export function formatChange(bytes: number): string {
  return `${bytes < 0 ? '' : '+'}${formatBytes(bytes)}`;
}
