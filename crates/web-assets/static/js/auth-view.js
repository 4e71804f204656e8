// The pages of somebody who is not signed in: sign in, sign up, the link of the verification mail and
// the link that makes the first administrator.

import { auth } from "./api.js";
import { h, mark } from "./dom.js";

/** `onsignedin()` is called once there is a session. */
export function authView(path, params, onsignedin) {
  const panel = h("section.auth", { id: "main", tabIndex: -1 });
  const page = h("main.auth-page", {}, h("header.auth-brand", {}, mark(), h("span", {}, "Songkeep")), panel);

  const show = (title, ...children) => {
    panel.replaceChildren(h("h1", {}, title), ...children);
    document.title = `${title} · Songkeep`;
    focus();
  };
  const focus = () => (panel.querySelector("input") ?? panel).focus();
  const toSignIn = (message) => signIn(message);
  const link = (text, onclick) => h("button.link", { type: "button", onclick }, text);

  function signIn(message = "") {
    const form = accountForm("Sign in", "current-password", message, async (email, password) => {
      await auth.signIn(email, password);
      onsignedin();
    });
    show("Sign in", form, h("p.aside", {}, "New here? ", link("Make an account", signUp)));
  }

  function signUp() {
    const form = accountForm("Make an account", "new-password", "", async (email, password) => {
      const answer = await auth.signUp(email, password);
      if (answer.verification_required) return nearlyThere(answer);
      await auth.signIn(email, password);
      onsignedin();
    });
    show("Make an account", form, h("p.aside", {}, "You have one? ", link("Sign in", () => signIn())));
  }

  function nearlyThere({ detail, verification_token: token }) {
    // Test installations hand the token out instead of mailing it.
    const next = token
      ? h("button.primary", { type: "button", onclick: () => verify(token) }, "Verify now")
      : link("Go to sign-in", () => signIn());
    show("Nearly there", h("p.message", {}, detail), next);
    if (token) next.focus();
  }

  async function verify(token) {
    show("Verifying your address", h("p", { role: "status" }, "One moment…"));
    try {
      const answer = await auth.verify(token);
      toSignIn(answer.detail);
    } catch (error) {
      show("This link did not work", h("p.problem", { role: "alert" }, error.message), link("Go to sign-in", () => signIn()));
    }
  }

  function setUp(token) {
    const form = accountForm("Make the administrator", "new-password", "", async (email, password) => {
      const answer = await auth.setUp(token, email, password);
      try {
        await auth.signIn(email, password);
        onsignedin();
      } catch {
        toSignIn(answer?.detail ?? "The account is ready.");
      }
    });
    show("Set up Songkeep", h("p.message", {}, "This account will be the administrator of this server."), form);
  }

  const token = params.get("token") ?? "";
  // Tokens do not stay in the address bar or the history.
  if (token) history.replaceState(null, "", path);
  if (path === "/verify" && token) verify(token);
  else if (path === "/setup" && token) setUp(token);
  else if (path === "/verify" || path === "/setup") signIn("This link is not complete. Open it again from where you got it.");
  else signIn();
  return { node: page, focus };
}

/** Address and password, with the server's sentences where they belong. */
function accountForm(action, autocomplete, message, submit) {
  const isNew = autocomplete === "new-password";
  const problem = h("p.problem", { role: "alert", hidden: true });
  const field = (id, label, demand, props, hint) => {
    const input = h("input", { id, name: id, required: true, ...props });
    const error = h("span.field-problem", { id: `${id}-problem`, hidden: true });
    input.setAttribute("aria-describedby", error.id);
    return { input, error, demand, node: h("div.field", {}, h("label", { htmlFor: id }, label), input, hint && h("span.hint", {}, hint), error) };
  };
  const fields = {
    email: field("email", "E-mail address", "Enter an e-mail address, such as name@example.com.", { type: "email", autocomplete: "username", maxLength: 254, spellcheck: false }),
    password: field(
      "password", "Password", isNew ? "Use at least 8 characters." : "Enter your password.",
      { type: "password", autocomplete, maxLength: 256, minLength: isNew ? 8 : undefined },
      isNew ? "At least 8 characters." : null,
    ),
  };
  const button = h("button.primary", { type: "submit" }, action);

  const clear = () => {
    problem.hidden = true;
    for (const { input, error } of Object.values(fields)) {
      error.hidden = true;
      input.removeAttribute("aria-invalid");
    }
  };
  /** What can be told without the server, in its form. */
  const missing = () =>
    Object.entries(fields)
      .filter(([, { input }]) => !input.checkValidity())
      .map(([field, { demand: detail }]) => ({ field, detail }));
  const explain = (failure) => {
    const known = (failure.fields ?? []).filter(({ field: name }) => fields[name]);
    for (const { field: name, detail } of known) {
      fields[name].error.textContent = detail;
      fields[name].error.hidden = false;
      fields[name].input.setAttribute("aria-invalid", "true");
    }
    if (!known.length) {
      problem.textContent = failure.message;
      problem.hidden = false;
    }
    (known.length ? fields[known[0].field].input : fields.password.input).focus();
  };

  return h(
    "form.account",
    {
      noValidate: true,
      onsubmit: async (event) => {
        event.preventDefault();
        clear();
        const wrong = missing();
        if (wrong.length) return explain({ fields: wrong });
        button.disabled = true;
        try {
          await submit(fields.email.input.value.trim(), fields.password.input.value);
        } catch (error) {
          explain(error);
        } finally {
          button.disabled = false;
        }
      },
    },
    message && h("p.message", { role: "status" }, message),
    fields.email.node,
    fields.password.node,
    problem,
    button,
  );
}
