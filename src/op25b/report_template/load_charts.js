for (const place of document.querySelectorAll("div.chart")) {
  const spec = JSON.parse(place.nextElementSibling.textContent);
  vegaEmbed(place, spec, {actions: false, renderer: "svg"}).catch((error) => {
    place.textContent = String(error);
    place.classList.add("failed");
  });
}
