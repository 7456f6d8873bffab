// Bundles the pages into dist/, or with --tests the unit tests into build/tests/.
import { build } from 'esbuild';
import { readFile, readdir, rm, writeFile } from 'node:fs/promises';

const pages = {
  index: 'Cabline — оператор',
  orders: 'Cabline — заказы',
  calls: 'Cabline — звонки',
  notices: 'Cabline — оповещения',
  demo: 'Cabline — демонстрация',
};
const common = { bundle: true, jsx: 'automatic', jsxImportSource: 'preact', target: 'es2022', logLevel: 'warning' };

// The page works under a policy of script-src 'self'; style-src 'self'.
const html = (title, script, style) => `<!doctype html>
<html lang="ru" data-theme="dark">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="dark light">
<title>${title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/${style}">
<script type="module" src="/${script}"></script>
</head>
<body><div id="app"></div></body>
</html>
`;

async function buildPages() {
  for (const name of await readdir('dist').catch(() => [])) {
    if (name !== 'placeholder.html') await rm(`dist/${name}`, { recursive: true });
  }
  const { metafile } = await build({
    ...common,
    entryPoints: Object.fromEntries(Object.keys(pages).map((name) => [name, `src/pages/${name}.tsx`])),
    outdir: 'dist', entryNames: 'assets/[name]-[hash]', chunkNames: 'assets/[name]-[hash]',
    format: 'esm', splitting: true, minify: true, metafile: true,
  });
  await licences(Object.keys(metafile.inputs));
  for (const [path, output] of Object.entries(metafile.outputs)) {
    const page = Object.keys(pages).find((name) => output.entryPoint === `src/pages/${name}.tsx`);
    if (!page) continue;
    const local = (file) => file.replace(/^dist\//, '');
    await writeFile(`dist/${page}.html`, html(pages[page], local(path), local(output.cssBundle)));
  }
}

/** The bundle carries other people's work, so it carries their licences. */
async function licences(inputs) {
  const names = new Set(inputs.map((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1]).filter(Boolean));
  const texts = [];
  for (const name of [...names].sort()) {
    const folder = `node_modules/${name}`;
    const file = (await readdir(folder)).find((each) => /^licen[cs]e/i.test(each));
    const { version, license } = JSON.parse(await readFile(`${folder}/package.json`, 'utf8'));
    texts.push(`${name} ${version} (${license})\n\n${file ? await readFile(`${folder}/${file}`, 'utf8') : ''}`);
  }
  await writeFile('dist/licences.txt', texts.join(`\n${'-'.repeat(78)}\n\n`));
}

async function buildTests() {
  await rm('build/tests', { recursive: true, force: true });
  const names = (await readdir('test')).filter((name) => name.endsWith('.test.ts'));
  await build({
    ...common, platform: 'node', format: 'esm', outdir: 'build/tests', outExtension: { '.js': '.mjs' },
    entryPoints: names.map((name) => `test/${name}`),
  });
}

await (process.argv.includes('--tests') ? buildTests() : buildPages());
