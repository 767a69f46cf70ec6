// One script for three pages: the app, its callback, and its callback in a pop-up. oidc-client-ts does the protocol.
import { UserManager, WebStorageStateStore } from "oidc-client-ts";

const element = (id) => document.getElementById(id);

function managerFor(config) {
  return new UserManager({
    authority: config.issuer,
    client_id: config.client_id,
    redirect_uri: `${location.origin}/callback.html`,
    popup_redirect_uri: `${location.origin}/popup.html`,
    scope: config.scope,
    loadUserInfo: true, // the ID token of the code flow says who it is; name and e-mail come from userinfo
    userStore: new WebStorageStateStore({ store: window.sessionStorage }),
    ...(config.audience ? { extraQueryParams: { audience: config.audience } } : {}),
  });
}

async function show(manager) {
  const user = await manager.getUser();
  element("signed-out").hidden = Boolean(user);
  element("signed-in").hidden = !user;
  element("name").textContent = user ? (user.profile.name ?? user.profile.sub) : "";
  element("user").textContent = user ? JSON.stringify({ ...user.profile, scope: user.scope }, null, 2) : "";
}

async function callApi(manager, config) {
  const user = await manager.getUser();
  const answer = await fetch(`${config.api}/timesheets`, {
    headers: { authorization: `Bearer ${user.access_token}` },
  });
  element("answer").textContent = `${answer.status} ${await answer.text()}`;
}

const pages = {
  async app(manager, config) {
    const whenClicked = (id, action) =>
      element(id).addEventListener("click", () => action().then(() => show(manager), complain));
    whenClicked("signin", () => manager.signinRedirect());
    whenClicked("signin-popup", () => manager.signinPopup());
    whenClicked("call-api", () => callApi(manager, config));
    whenClicked("signout", () => manager.removeUser());
    await show(manager);
    document.body.dataset.ready = "yes";
  },
  async callback(manager) {
    await manager.signinCallback();
    location.replace("/");
  },
  async popup(manager) {
    await manager.signinCallback();
  },
};

function complain(error) {
  element("error").textContent = error.error ?? error.message;
}

async function start() {
  const config = await (await fetch("/config.json")).json();
  const manager = managerFor(config);
  window.manager = manager; // for the browser's console, and for tests
  await pages[document.body.dataset.page](manager, config);
}

start().catch(complain);
