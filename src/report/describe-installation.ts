import { formatNumber } from "./format.ts";
import type { InstallationSection, Report } from "./report-data.ts";
import { renderTable } from "./text-table.ts";

type Provider = InstallationSection["providers"][number];

/** What efqat doctor found, with the remedies of what is missing. */
export function describeInstallation({ installation }: Report): string | undefined {
  if (installation === undefined) return undefined;
  const { checks, providers } = installation;
  const parts = renderTable([
    ["part", "state", "found"],
    ...checks.map(({ part, state, found }) => [part, state, found]),
  ]);
  const tried = renderTable([
    ["provider", "small model", "training step", "on the CPU instead"],
    ...providers.map((each) => [
      each.provider,
      describeTry(each.model),
      describeTry(each.training),
      (each.fallbacks ?? []).join(" "),
    ]),
  ]);
  return [parts, tried, describeReasons(providers), describeRemedies(installation)]
    .filter((part) => part !== "")
    .join("\n\n");
}

function describeTry({ state, milliseconds, difference }: Provider["model"]): string {
  if (state === "fails" || state === "not tried") return state;
  const apart =
    difference === undefined || difference === 0 ? "" : `, ${formatNumber(difference, 2)} from the CPU`;
  return `${state}, ${formatNumber(milliseconds ?? 0, 3)} ms${apart}`;
}

const describeReasons = (providers: readonly Provider[]): string =>
  providers
    .flatMap(({ provider, model, training }) => [
      ...(model.why === undefined ? [] : [`${provider}, small model: ${model.why}`]),
      ...(training.why === undefined ? [] : [`${provider}, training step: ${training.why}`]),
    ])
    .join("\n");

function describeRemedies({ checks, providers }: InstallationSection): string {
  const remedies = [
    ...checks.map(({ part, remedy }) => ({ part, remedy })),
    ...providers.map(({ provider, remedy }) => ({ part: provider, remedy })),
  ];
  return remedies
    .flatMap(({ part, remedy }) => (remedy === undefined ? [] : [`${part}: ${remedy}`]))
    .join("\n");
}
