// Has the adapters find packages where they were installed, which is not beside them.

let beside;

export function initialize({ from }) {
  beside = from;
}

export async function resolve(specifier, context, next) {
  // What Nuxt would give to its modules: the settings of the application.
  if (specifier === "#imports") return { url: new URL("nuxt.mjs", import.meta.url).href, shortCircuit: true };
  const bare = !/^(\.|\/|node:|file:|data:)/.test(specifier);
  const ours = context.parentURL?.startsWith(new URL(".", import.meta.url).href);
  return next(specifier, bare && ours ? { ...context, parentURL: beside } : context);
}
