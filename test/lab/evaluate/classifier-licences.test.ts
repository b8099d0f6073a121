import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { classifierLicences } from '../../../lab/evaluate/classifier-licences.ts';
import { classifierPath } from '../../../lab/evaluate/judges.ts';
import { JUDGE_SET_NOTICES } from '../../../lab/evaluate/judge-art.ts';
import { ART_NOTICES } from '../../../lab/pretrain/licences.ts';

it("the classifiers' LICENSES.md credits the drawings that they were trained on", async () => {
  const beside = await readFile(new URL('LICENSES.md', `file://${classifierPath('concepts')}`), 'utf8');
  expect(beside).toBe(await classifierLicences());
  for (const { notice, source } of [...Object.values(JUDGE_SET_NOTICES), ...Object.values(ART_NOTICES)])
    for (const part of [notice, source]) expect(beside).toContain(part);
  expect(beside).toContain('TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION');
});
