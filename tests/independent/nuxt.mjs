// Stands in for a Nuxt application: its settings hold the secret of the delivery that is verified.

let settings = {};

export function configure(sender, secrets) {
  settings = { webhook: { [sender]: secrets } };
}

export function useRuntimeConfig() {
  return settings;
}
