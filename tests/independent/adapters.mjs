// Asks implementations in JavaScript how they sign and verify: a question a line in, an answer a
// line out. The first argument is the directory where those implementations are.
// An adapter calls what its library offers and computes nothing itself, so that no formula of ours
// judges ours.

import { Console } from "node:console";
import https from "node:https";
import { register } from "node:module";
import { PassThrough } from "node:stream";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { configure } from "./nuxt.mjs";

// Some libraries print; standard output is for answers alone.
globalThis.console = new Console(process.stderr, process.stderr);

const packages = pathToFileURL(`${process.argv[2]}/`);
register("./resolve.mjs", import.meta.url, { data: { from: new URL("from.mjs", packages).href } });

const verifiers = {};
const signers = {};

verifiers["@octokit/webhooks-methods"] = async ({ secret, text, headers }) => {
  const { verify } = await import("@octokit/webhooks-methods");
  return verify(secret, text, headers["x-hub-signature-256"]);
};

signers["@octokit/webhooks-methods"] = async ({ secret, text }) => {
  const { sign } = await import("@octokit/webhooks-methods");
  return { "x-hub-signature-256": await sign(secret, text) };
};

verifiers["@shopify/shopify-api"] = async ({ secret, text, headers, url }) => {
  await import("@shopify/shopify-api/adapters/web-api");
  const { shopifyApi, ApiVersion } = await import("@shopify/shopify-api");
  const shopify = shopifyApi({
    apiKey: "key",
    apiSecretKey: secret,
    hostName: "localhost",
    apiVersion: Object.values(ApiVersion)[0],
    isEmbeddedApp: false,
  });
  const rawRequest = new Request(url, { method: "POST", headers });
  const { valid, reason } = await shopify.webhooks.validate({ rawBody: text, rawRequest });
  // Only a wrong signature is a refusal.
  if (!valid && reason !== "invalid_hmac") throw new Error(reason);
  return valid;
};

verifiers["@linear/sdk"] = async ({ secret, body, headers }) => {
  const { LinearWebhookClient } = await import("@linear/sdk/webhooks");
  return refusing("Error", () =>
    new LinearWebhookClient(secret).verify(body, headers["linear-signature"]),
  );
};

verifiers["@sanity/webhook"] = async ({ secret, text, headers }) => {
  const { isValidSignature, SIGNATURE_HEADER_NAME } = await import("@sanity/webhook");
  return isValidSignature(text, headers[SIGNATURE_HEADER_NAME], secret);
};

signers["@sanity/webhook"] = async ({ secret, text, timestamp }) => {
  const { encodeSignatureHeader, SIGNATURE_HEADER_NAME } = await import("@sanity/webhook");
  return { [SIGNATURE_HEADER_NAME]: await encodeSignatureHeader(text, timestamp * 1000, secret) };
};

verifiers["@notionhq/client"] = async ({ secret, body, headers }) => {
  const { verifyWebhookSignature } = await import("@notionhq/client");
  const signature = headers["x-notion-signature"];
  return verifyWebhookSignature({ body, signature, verificationToken: secret });
};

signers["@notionhq/client"] = async ({ secret, body }) => {
  const { signWebhookPayload } = await import("@notionhq/client");
  return { "x-notion-signature": await signWebhookPayload({ body, verificationToken: secret }) };
};

// The library fetches the certificate; here it is given the question's.
verifiers["sns-validator"] = async ({ text, certificate }) => {
  const { default: MessageValidator } = await import("sns-validator");
  https.get = (url, received) => {
    const answer = Object.assign(new PassThrough(), { statusCode: 200 });
    received(answer);
    answer.end(certificate);
    return answer;
  };
  return new Promise((done, fail) => {
    new MessageValidator().validate(text, (error) => {
      if (error && error.message !== "The message signature is invalid.") fail(error);
      else done(!error);
    });
  });
};

verifiers["webflow-api"] = async ({ secret, text, headers }) => {
  const { WebflowClient } = await import("webflow-api");
  const client = new WebflowClient({ accessToken: "token" });
  return client.webhooks.verifySignature({ headers, body: text, secret });
};

// X-Hub-Signature is of no single sender: which use it, and with which algorithm, is ours to know.
const hubs = { "x-hub-signature/intercom": "sha1", "x-hub-signature/jira": "sha256" };

for (const [name, algorithm] of Object.entries(hubs)) {
  verifiers[name] = async ({ secret, body, headers }) => {
    const { default: XHubSignature } = await import("x-hub-signature");
    return new XHubSignature(algorithm, secret).verify(headers["x-hub-signature"], body);
  };
  signers[name] = async ({ secret, body }) => {
    const { default: XHubSignature } = await import("x-hub-signature");
    return { "x-hub-signature": new XHubSignature(algorithm, secret).sign(body) };
  };
}

verifiers["@zoom/rivet"] = async ({ secret, text, headers }) => {
  const { AwsLambdaReceiver } = await import("@zoom/rivet/chatbot");
  const handle = new AwsLambdaReceiver({ webhooksSecretToken: secret }).start();
  const { statusCode } = await handle({ body: text, headers, isBase64Encoded: false }, {});
  return accepted(statusCode, 400);
};

verifiers["grammy"] = async ({ secret, body, headers, url }) => {
  const { Bot, webhookCallback } = await import("grammy");
  const bot = new Bot("token", { botInfo: { id: 1, is_bot: true, username: "bot" } });
  const handle = webhookCallback(bot, "std/http", { secretToken: secret });
  const { status } = await handle(new Request(url, { method: "POST", headers, body }));
  return accepted(status, 401);
};

verifiers["@workos-inc/node"] = async ({ secret, text, headers }) => {
  const { WorkOS } = await import("@workos-inc/node");
  const sigHeader = headers["workos-signature"];
  return refusing("SignatureVerificationException", () =>
    new WorkOS("key").webhooks.verifyHeader({ payload: JSON.parse(text), sigHeader, secret }),
  );
};

verifiers["telnyx"] = async ({ public_key, text, headers }) => {
  const { default: Telnyx } = await import("telnyx");
  const client = new Telnyx({ apiKey: "key", publicKey: public_key });
  return refusing("TelnyxWebhookVerificationError", () => client.webhooks.unwrap(text, { headers }));
};

verifiers["retell-sdk"] = async ({ secret, text, headers }) => {
  const { default: Retell } = await import("retell-sdk");
  return Retell.verify(text, secret, headers["x-retell-signature"]);
};

for (const platform of ["lemonsqueezy", "sentry"]) {
  verifiers[`@hookflo/tern/${platform}`] = async ({ secret, body, headers, url }) => {
    const { WebhookVerificationService } = await import("@hookflo/tern");
    const request = new Request(url, { method: "POST", headers, body });
    const verify = WebhookVerificationService.verifyWithPlatformConfig;
    const result = await verify.call(WebhookVerificationService, request, platform, secret);
    if (!result.isValid && result.errorCode !== "INVALID_SIGNATURE") throw new Error(result.error);
    return result.isValid;
  };
}

// By sender: the validator's file and function, and how it calls the secret.
const nuxt = {
  bitbucket: ["bitbucket", "isValidBitbucketWebhook", "secretKey"],
  calcom: ["calcom.post", "isValidCalcomWebhook", "secretKey"],
  docusign: ["docusign", "isValidDocusignWebhook", "secretKey"],
  dropbox: ["dropbox", "isValidDropboxWebhook", "appSecret"],
  netlify: ["netlify", "isValidNetlifyWebhook", "secretKey"],
  vercel: ["vercel", "isValidVercelWebhook", "secretKey"],
};

for (const [sender, [file, name, setting]] of Object.entries(nuxt)) {
  verifiers[`nuxt-webhook-validators/${sender}`] = async ({ secret, body, headers, url }) => {
    const validators = "node_modules/nuxt-webhook-validators/dist/runtime/server/lib/validators";
    const { [name]: valid } = await import(new URL(`${validators}/${file}.js`, packages));
    const { createApp, defineEventHandler, toWebHandler } = await import("h3");
    configure(sender, { [setting]: secret });
    const handle = toWebHandler(createApp().use(defineEventHandler(valid)));
    return (await handle(new Request(url, { method: "POST", headers, body }))).json();
  };
}

// Whether a library that refuses by throwing an exception accepts.
async function refusing(exception, verify) {
  try {
    await verify();
    return true;
  } catch (error) {
    if (error.constructor.name === exception) return false;
    throw error;
  }
}

function accepted(status, refusal) {
  if (status !== 200 && status !== refusal) throw new Error(`status ${status}`);
  return status === 200;
}

async function answer(line) {
  const question = JSON.parse(line);
  const { implementation, do: verb } = question;
  const body = Buffer.from(question.body_b64, "base64");
  const asked = { ...question, body, text: body.toString("utf8") };
  try {
    if (verb === "list") {
      return { verify: Object.keys(verifiers).sort(), sign: Object.keys(signers).sort() };
    }
    if (verb === "sign") return { ok: true, headers: await signers[implementation](asked) };
    return { ok: await verifiers[implementation](asked) };
  } catch (error) {
    console.error(error);
    return { error: error.constructor.name };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await answer(line))}\n`);
}
