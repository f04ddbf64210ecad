/** The code of a Markdown page: what stands in its blocks of the given language, in their order. */
export function codeBlocks(page: string, language: string): string[] {
  const blocks = page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'));
  return [...blocks].map(([, code]) => code!);
}

/** The paths of the links of a Markdown page that lead to files of the repository. */
export function linkedFiles(page: string): string[] {
  return [...page.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)]
    .map(([, target]) => target!)
    .filter((target) => !/^[a-z]+:/.test(target));
}

/**
 * What a program says that it prints: the text of its comments `// → …` stands in the output in this order. A `…` in
 * it stands for anything.
 */
export function expectedOutput(code: string): RegExp {
  const promises = [...code.matchAll(/\/\/ → (.*)$/gm)].map(([, promise]) => promise!);
  if (promises.length === 0) {
    throw new Error('the code does not say what it prints');
  }
  const escaped = promises.map((promise) =>
    promise
      .split('…')
      .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
      .join('.*'),
  );
  return new RegExp(escaped.join('[^]*'));
}
