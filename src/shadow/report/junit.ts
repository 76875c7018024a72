/**
 * The verdict as JUnit XML, for build servers: one test case per stratum, and one for what concerns the whole run.
 *
 * | what the verdict says | test case |
 * |---|---|
 * | evidence against a stratum, waived or not | failure |
 * | a stratum is not shown yet | error |
 * | a stratum is waived | skipped, with who, when and why |
 * | a gap, a stalled source, another doubt, nothing to judge | error of the case "the whole run" |
 * | a stratum is shown | passed |
 *
 * So a build is green when the verdict is SAFE, and only then. The form is that of the JUnit schema of Apache Ant
 * (https://github.com/windyroad/JUnit-Schema), the strictest that is about.
 */
import { nameOf, type ReasonCode } from '../reasons.js';
import type { RunSummary } from '../run-summary.js';
import type { StratumResult } from '../strata.js';
import type { Judgement } from '../verdict.js';
import { OUTCOME_NAMES, strataOf, UNMATCHED } from './figures.js';
import { escapeMarkup } from './plain.js';

const SUITE = 'shadow run';
const AGAINST: readonly ReasonCode[] = ['both-applied', 'too-many-bad', 'too-many-late'];
const FOR: readonly ReasonCode[] = ['waived', 'shown', 'shown-timely'];

interface Case {
  readonly name: string;
  readonly className: string;
  readonly result: 'passed' | 'failure' | 'error' | 'skipped';
  /** The code of the weightiest reason. */
  readonly type: string;
  readonly texts: readonly string[];
}

export function reportJunit(summary: RunSummary, judgement: Judgement): string {
  const cases = casesOf(judgement);
  const count = (result: Case['result']) => cases.filter((each) => each.result === result).length;
  const seconds =
    summary.from === null || summary.to === null ? '0' : ((summary.to - summary.from) / 1_000).toFixed(3);
  const counts = `tests="${cases.length}" failures="${count('failure')}" errors="${count('error')}"`;
  const begun = new Date(summary.from ?? 0).toISOString().slice(0, 19);
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<testsuites>',
    `  <testsuite id="0" package="atma-events" name="${SUITE}" timestamp="${begun}" hostname="localhost" ${counts} skipped="${count('skipped')}" time="${seconds}">`,
    '    <properties>',
    property('verdict', judgement.verdict),
    property('observations', String(summary.observations)),
    property('windowMs', String(summary.windowMs)),
    ...(summary.budgetMs === null ? [] : [property('budgetMs', String(summary.budgetMs))]),
    '    </properties>',
    ...cases.map(testCase),
    `    <system-out>${escapeMarkup(countsText(summary, judgement))}</system-out>`,
    `    <system-err>${escapeMarkup(findingsText(summary))}</system-err>`,
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}

function casesOf(judgement: Judgement): Case[] {
  const whole = judgement.reasons.filter(({ stratum }) => stratum === null);
  return [
    ...judgement.strata.map((stratum) => caseOf(stratum, judgement)),
    ...(whole.length === 0
      ? []
      : [
          {
            name: 'the whole run',
            className: 'shadow',
            result: 'error' as const,
            type: whole[0]?.code ?? '',
            texts: whole.map(({ text }) => text),
          },
        ]),
  ];
}

function caseOf(stratum: StratumResult, { reasons }: Judgement): Case {
  const name = nameOf(stratum);
  const own = reasons.filter((reason) => reason.stratum === name);
  const against = own.filter(({ code }) => AGAINST.includes(code));
  const open = own.filter(({ code }) => !AGAINST.includes(code) && !FOR.includes(code));
  const waiver = own.filter(({ code }) => code === 'waived');
  const [result, why] =
    against.length > 0
      ? (['failure', against] as const)
      : waiver.length > 0
        ? (['skipped', waiver] as const)
        : open.length > 0
          ? (['error', open] as const)
          : (['passed', own] as const);
  return {
    name,
    className: `shadow.${stratum.consumer}`,
    result,
    type: why[0]?.code ?? '',
    texts: why.map(({ text }) => text),
  };
}

function testCase({ name, className, result, type, texts }: Case): string {
  const open = `    <testcase name="${escapeMarkup(name)}" classname="${escapeMarkup(className)}" time="0"`;
  if (result === 'passed') return `${open}/>`;
  const message = escapeMarkup(texts[0] ?? '');
  const child =
    result === 'skipped'
      ? `<skipped message="${message}"/>`
      : `<${result} type="${escapeMarkup(type)}" message="${message}">${texts.map(escapeMarkup).join('\n')}</${result}>`;
  return `${open}>\n      ${child}\n    </testcase>`;
}

function countsText(summary: RunSummary, judgement: Judgement): string {
  const lines = strataOf(summary, judgement).map(({ judged, tally }) => {
    const outcomes = UNMATCHED.filter((outcome) => (tally?.outcomes[outcome] ?? 0) > 0)
      .map((outcome) => `, ${OUTCOME_NAMES[outcome]} ${tally?.outcomes[outcome]}`)
      .join('');
    return `${nameOf(judged)}: ${judged.legs} legs, ${judged.bad} bad; match ${tally?.outcomes.match ?? 0}${outcomes}`;
  });
  return lines.join('\n');
}

function findingsText({ findings }: RunSummary): string {
  return findings
    .map((finding) => `${finding.count} × ${nameOf(finding)}: ${finding.says} ${finding.fix}`)
    .join('\n');
}

function property(name: string, value: string): string {
  return `      <property name="${escapeMarkup(name)}" value="${escapeMarkup(value)}"/>`;
}
