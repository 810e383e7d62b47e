// Carries questions and answers between the shop and the browser's passkeys; the shop checks all.
const able = "PublicKeyCredential" in window && PublicKeyCredential.parseRequestOptionsFromJSON;

const WORDS = {
  InvalidStateError: "This device has a passkey for your account already.",
  NotAllowedError: "Nothing was chosen, or it took too long. Please try again.",
  SecurityError: "Passkeys do not work at this address of the shop.",
};

// The options lie in the page, or they are fetched when somebody asks.
async function question(form) {
  if (form.dataset.options) return JSON.parse(form.dataset.options);
  const answer = await fetch("/api/v1/login/passkey/options", { method: "POST" });
  if (!answer.ok) throw new Error("The shop does not answer right now. Please try again.");
  const { ticket, options } = await answer.json();
  form.elements.ticket.value = ticket;
  return options;
}

async function show(form) {
  const options = await question(form);
  const publicKey = form.dataset.passkey === "new"
    ? PublicKeyCredential.parseCreationOptionsFromJSON(options)
    : PublicKeyCredential.parseRequestOptionsFromJSON(options);
  const found = form.dataset.passkey === "new"
    ? await navigator.credentials.create({ publicKey })
    : await navigator.credentials.get({ publicKey });
  form.elements.passkey.value = JSON.stringify(found.toJSON());
}

for (const form of document.querySelectorAll("[data-passkey]")) {
  const button = form.querySelector("[data-go]");
  const trouble = form.querySelector("[data-trouble]");
  if (!able) continue;
  form.hidden = false;
  button.addEventListener("click", async () => {
    if (form.dataset.passkey === "new" && !form.reportValidity()) return;
    button.disabled = true;
    trouble.hidden = true;
    try {
      await show(form);
      form.submit();
    } catch (error) {
      trouble.textContent = WORDS[error.name] ?? error.message;
      trouble.hidden = false;
      button.disabled = false;
    }
  });
}
