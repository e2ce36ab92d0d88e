// Opens the documentation of this server's own API document; nothing is loaded from elsewhere.
window.addEventListener("load", () => {
  window.ui = SwaggerUIBundle({
    url: "/schema/openapi.json",
    dom_id: "#docs",
    deepLinking: true,
    docExpansion: "none",
    filter: true,
    persistAuthorization: false,
    tagsSorter: "alpha",
    validatorUrl: null,
  });
});
