// The theme that was chosen, set before anything is drawn. No module: it has to run at once.
'use strict'
try {
  const chosen = localStorage.getItem('lithair.theme')
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen
} catch {
  // No storage, as in a private window: the system's theme it is.
}
