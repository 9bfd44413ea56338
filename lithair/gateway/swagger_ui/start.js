// Shows the server's own document; nothing of it comes from the page's address.
addEventListener("load", () => {
  SwaggerUIBundle({
    url: "openapi.json",
    dom_id: "#swagger-ui",
    deepLinking: true,
    tryItOutEnabled: true,
    displayRequestDuration: true,
    defaultModelsExpandDepth: 0,
    docExpansion: "list",
    validatorUrl: null, // it would ask another host
    queryConfigEnabled: false,
    onComplete: () => {
      document.title = document.querySelector(".info .title")?.firstChild?.textContent ?? "API"
    },
  })
})
