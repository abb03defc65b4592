/** The style of the page; its hash is all that the page's content security policy lets in. Main thread. */
export const STYLE = `
:root { color-scheme: light dark; --line: light-dark(#d0d7de, #3d444d); --soft: light-dark(#f6f8fa, #161b22);
  --dim: light-dark(#59636e, #9198a1); --link: light-dark(#0550ae, #79b8ff); }
* { box-sizing: border-box; }
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; color: light-dark(#1f2328, #e6edf3);
  background: light-dark(#ffffff, #0d1117); display: grid; grid-template-columns: 17rem minmax(0, 1fr); }
a { color: var(--link); }
nav { position: sticky; top: 0; height: 100vh; overflow: auto; padding: 1rem; border-right: 1px solid var(--line);
  font-size: 0.875rem; }
nav ul { list-style: none; margin: 0 0 1rem; padding: 0; }
nav a { text-decoration: none; }
main { padding: 1rem 2rem 4rem; max-width: 62rem; }
h1 { margin-top: 0; }
h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); }
h3 { margin: 2.5rem 0 0.25rem; }
h4 { margin: 1rem 0 0.25rem; font-size: 0.875rem; color: var(--dim); }
pre, code { font: 0.8125rem/1.5 ui-monospace, monospace; }
pre { background: var(--soft); border: 1px solid var(--line); border-radius: 6px; padding: 0.75rem; margin: 0.25rem 0;
  overflow-x: auto; }
pre.copy { user-select: all; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { text-align: left; vertical-align: top; padding: 0.25rem 1rem 0.25rem 0; border-bottom: 1px solid var(--line); }
th { color: var(--dim); font-size: 0.875rem; }
p { margin: 0.25rem 0; }
.dim { color: var(--dim); }
.target { font: 600 0.9375rem ui-monospace, monospace; overflow-wrap: anywhere; }
@media (max-width: 60rem) {
  body { display: block; }
  nav { position: static; height: auto; border-right: 0; border-bottom: 1px solid var(--line); }
  main { padding: 1rem; }
}
`;
