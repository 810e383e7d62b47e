// Small comforts. Every page works without them.

// One press is enough: the second of a double click sends nothing.
for (const form of document.querySelectorAll("form[method=post]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
}
// A page brought back by the back button can send again.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

// The price, the stock and the picture follow the variant that is chosen.
const buy = document.querySelector("[data-buy]");
if (buy) {
  const show = () => {
    const chosen = buy.querySelector("[name=variant_id]:checked");
    if (!chosen) return;
    for (const part of ["price", "before", "off", "stock"]) {
      const place = document.querySelector(`[data-show=${part}]`);
      if (place) place.textContent = chosen.dataset[part] ?? "";
    }
    document.querySelector("[data-show=stock]").className = `stock stock--${chosen.dataset.level}`;
    buy.querySelector("[data-go]").disabled = chosen.dataset.level === "out";
    const picture = document.querySelector("[data-picture]");
    if (picture && chosen.dataset.image) picture.src = chosen.dataset.image;
  };
  buy.addEventListener("change", show);
  show();
}

// The sums beside the form follow the delivery that is chosen.
const sums = document.querySelector("[data-sums]");
if (sums) {
  const show = () => {
    const chosen = document.querySelector("[name=shipping_method]:checked");
    if (!chosen) return;
    for (const place of sums.querySelectorAll("[data-sum]")) {
      place.textContent = chosen.dataset[place.dataset.sum];
    }
  };
  sums.closest("form").addEventListener("change", show);
  show();
}

// Another picture comes to the front instead of opening by itself.
for (const link of document.querySelectorAll("[data-thumb]")) {
  link.addEventListener("click", (event) => {
    const picture = document.querySelector("[data-picture]");
    const small = link.querySelector("img");
    if (!picture || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    picture.src = small.src;
    picture.alt = small.alt;
  });
}

// A new quantity counts at once; the button is for browsers without this.
for (const form of document.querySelectorAll("[data-quantity]")) {
  form.querySelector("button").hidden = true;
  form.querySelector("[name=quantity]").addEventListener("change", () => {
    if (form.reportValidity()) form.requestSubmit();
  });
}

// Filters apply as they are chosen.
for (const select of document.querySelectorAll("[data-auto]")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}

// Where there is room, filters stand open.
if (matchMedia("(min-width: 60rem)").matches) {
  for (const details of document.querySelectorAll("[data-wide-open]")) details.open = true;
}
