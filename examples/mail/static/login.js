// Logs in by /auth/login, which sets the cookie, and goes on to the mailbox.

const form = document.getElementById("login");
const secondFactor = document.getElementById("second-factor");
const problem = document.getElementById("problem");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  problem.hidden = true;
  const answer = await logIn(Object.fromEntries(new FormData(form)));
  if (answer?.ok) {
    location.replace("/");
    return;
  }
  const refusal = answer ? await answer.json() : { detail: "The server can't be reached." };
  if (refusal.errors?.some((error) => error.field === "code")) secondFactor.hidden = false;
  problem.textContent = refusal.detail;
  problem.hidden = false;
});

async function logIn({ username, password, code }) {
  const login = code ? { username, password, code } : { username, password };
  try {
    return await fetch("/auth/login", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(login),
    });
  } catch {
    return null; // no connection
  }
}
