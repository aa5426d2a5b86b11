"use strict";
const $ = (id) => document.getElementById(id);
const URGENCY = { immediate: "立即处理", today: "今日处理", soon: "尽快处理" };
const STEP = { ask: "问", examine: "查体", test: "检查", refer: "转诊" };
const SAMPLE = "主诉：胸痛2小时。\n现病史：2小时前劳动后突发胸骨后压榨样疼痛，向左肩背部放射，伴大汗、恶心，休息不缓解。无咳嗽、发热。\n既往史：高血压10年，平时服药不规律；吸烟30年。父亲患冠心病。\n查体：BP 168/98mmHg，P 96次/分，神清，痛苦貌，双肺呼吸音清，未闻及啰音。";
const MEASURES = [["systolic_bp", "收缩压", "mmHg"], ["diastolic_bp", "舒张压", "mmHg"], ["height", "身高", "cm"], ["weight", "体重", "kg"], ["waist", "腰围", "cm"], ["glucose", "空腹血糖", "mmol/L"], ["hba1c", "糖化血红蛋白", "%"], ["total_cholesterol", "总胆固醇", "mmol/L"], ["triglycerides", "甘油三酯", "mmol/L"], ["hdl_cholesterol", "高密度脂蛋白胆固醇", "mmol/L"], ["ldl_cholesterol", "低密度脂蛋白胆固醇", "mmol/L"], ["creatinine", "血肌酐", "µmol/L"]];

function node(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "class") made.className = value; else made.setAttribute(key, value);
  }
  for (const child of children.flat()) if (child !== null && child !== undefined && child !== "") made.append(child);
  return made;
}

async function ask(path, body) {
  const response = await fetch(path, body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${answer.title}：${answer.detail}`);
  return answer;
}

function fail(place, error) { place.replaceChildren(node("p", { class: "card error" }, error.message)); }
function names(text) { return text.split(/[、，,；;]/).map((n) => n.trim()).filter(Boolean); }

function chips(items, kind) {
  return items.map((item) => node("span", { class: `chip ${kind}`, title: item.note || null }, item.span && item.span.text ? item.span.text : item.note || item.name || ""));
}

function evidenceLine(label, items, kind) {
  return items.length ? node("p", { class: "evidence" }, node("b", {}, label), chips(items, kind)) : null;
}

function candidateView(candidate) {
  const percent = Math.round(candidate.probability * 100);
  return node("div", { class: "candidate" },
    node("div", { class: "head" },
      node("span", { class: "name" }, candidate.name),
      node("span", { class: "code" }, candidate.icd10 || ""),
      candidate.must_not_miss ? node("span", { class: "must" }, "不可漏") : null,
      node("span", {}, node("meter", { min: 0, max: 100, value: percent, "aria-label": "可能性" }), ` ${percent < 1 ? "<1" : percent}%`)),
    evidenceLine("支持", candidate.for, ""),
    evidenceLine("不支持", candidate.against, "against"),
    candidate.missing.length ? node("p", { class: "evidence" }, node("b", {}, "还不知道"), candidate.missing.map((m) => node("span", { class: "chip missing", title: m.question }, m.name))) : null);
}

function markText(text, diagnosis) {
  const marks = [];
  const add = (items, kind) => { for (const e of items) if (e.span && e.span.text) marks.push([e.span.start, e.span.end, kind]); };
  for (const flag of diagnosis.red_flags) add(flag.evidence, "flagged");
  for (const candidate of diagnosis.candidates.slice(0, 3)) { add(candidate.for, "for"); add(candidate.against, "against"); }
  marks.sort((a, b) => a[0] - b[0] || b[1] - a[1]);
  // offsets count code points, JavaScript strings count UTF-16 units
  const points = Array.from(text);
  const parts = [];
  let at = 0;
  for (const [start, end, kind] of marks) {
    if (start < at) continue;
    parts.push(points.slice(at, start).join(""), node("mark", { class: kind }, points.slice(start, end).join("")));
    at = end;
  }
  parts.push(points.slice(at).join(""));
  $("marked").replaceChildren(...parts);
  $("marked").hidden = false;
}

function diagnosisView(diagnosis, review) {
  const parts = [];
  for (const flag of diagnosis.red_flags.slice(0, 6)) {
    parts.push(node("div", { class: `card flag ${flag.urgency}`, role: "alert" }, node("strong", {}, URGENCY[flag.urgency] + "："), flag.message));
  }
  if (diagnosis.abstention) parts.push(node("div", { class: "card" }, node("h2", {}, "暂不下结论"), diagnosis.abstention.reason));
  for (const item of diagnosis.notifiable || []) parts.push(node("div", { class: "card flag today" }, `疑似${item.class === "other" ? "" : item.class + "类"}传染病：${item.name}。如确诊须在 ${item.hours} 小时内报告。${item.action}`));
  parts.push(node("div", { class: "card" }, node("h2", {}, diagnosis.abstention ? "供参考的可能" : "可能的诊断"),
    diagnosis.candidates.length ? diagnosis.candidates.slice(0, 8).map(candidateView) : node("p", { class: "hint" }, "没有可列的诊断。"),
    diagnosis.department ? node("p", { class: "evidence" }, node("b", {}, "建议科室"), diagnosis.department) : null));
  if (diagnosis.next_steps.length) {
    parts.push(node("div", { class: "card" }, node("h2", {}, "下一步"), node("ol", { class: "steps" }, diagnosis.next_steps.map((step) => node("li", {}, `${STEP[step.kind]}：${step.what}`, node("span", { class: "code" }, ` ${step.why}`))))));
  }
  const alerts = review ? review.alerts.filter((a) => a.kind !== "red_flag") : [];
  if (alerts.length) {
    parts.push(node("div", { class: "card" }, node("h2", {}, "核对提示"), node("ul", { class: "steps" }, alerts.map((a) => node("li", { class: `alert ${a.severity}` }, a.message)))));
  }
  parts.push(node("p", { class: "hint" }, `${diagnosis.disclaimer} 知识库 ${diagnosis.versions.knowledge}`));
  return parts;
}

$("record-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = $("text").value;
  const record = { id: "page", patient: { sex: $("sex").value }, text };
  if ($("age").value.trim()) record.patient.age = $("age").value.trim();
  if ($("facility").value) record.encounter = { facility: $("facility").value };
  const place = $("answer");
  place.replaceChildren(node("p", { class: "hint" }, "分析中…"));
  try {
    const diagnoses = names($("entered").value).map((name) => ({ name }));
    const [diagnosis, review] = await Promise.all([ask("/v1/diagnose", record), ask("/v1/review", { ...record, diagnoses })]);
    place.replaceChildren(...diagnosisView(diagnosis, review));
    markText(text, diagnosis);
  } catch (error) { fail(place, error); }
});
$("sample").addEventListener("click", () => { $("text").value = SAMPLE; $("sex").value = "male"; $("age").value = "61岁"; });
$("clear").addEventListener("click", () => { $("text").value = ""; $("entered").value = ""; $("age").value = ""; $("sex").value = "unknown"; $("marked").hidden = true; $("answer").replaceChildren(); $("text").focus(); });

for (const [name, label, unit] of MEASURES) $("g-measures").append(node("label", {}, `${label}（${unit}）`, node("input", { type: "number", step: "any", min: 0, "data-name": name, "data-unit": unit })));
$("grade-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const measurements = [...document.querySelectorAll("#g-measures input")].filter((i) => i.value !== "").map((i) => ({ name: i.dataset.name, value: Number(i.value), unit: i.dataset.unit }));
  const request = { id: "page", patient: { sex: $("g-sex").value, age: { value: Number($("g-age").value), unit: "year" } }, measurements, diagnoses: names($("g-diagnoses").value).map((name) => ({ name })), medications: names($("g-medications").value).map((name) => ({ name })), answers: $("g-smoking").checked ? { smoker: { value: true } } : {} };
  const place = $("g-answer");
  try {
    const answer = await ask("/v1/risk/grade", request);
    const rows = answer.results.map((r) => node("tr", {}, node("td", {}, r.interpretation, r.unconfirmed ? node("span", { class: "must" }, "未核实") : null), node("td", { class: "code" }, r.source)));
    const errors = answer.errors.map((e) => node("p", { class: "error" }, e.detail));
    place.replaceChildren(node("div", { class: "card" }, node("h2", {}, "分级结果"), ...errors, node("table", {}, node("thead", {}, node("tr", {}, node("th", {}, "结果"), node("th", {}, "依据"))), node("tbody", {}, rows))), planView(answer.plan));
  } catch (error) { fail(place, error); }
});

function listOf(title, lines) {
  const kept = [...new Set(lines.filter(Boolean))];
  return kept.length ? [node("h3", {}, title), node("ul", { class: "steps" }, kept.map((line) => node("li", {}, line)))] : [];
}

function planView(plan) {
  const visit = plan.next_visit || {};
  const parts = [
    node("h2", {}, `管理计划${plan.level ? "：" + plan.level.name : ""}`),
    visit.days ? node("p", {}, `下次随访：${visit.days} 天内${visit.say ? "（" + visit.say + "）" : ""}`) : null,
    ...listOf("转诊", (plan.referral || []).map((r) => r.say || r.text || r.reason)),
    ...listOf("目标", (plan.goals || []).map((g) => `${g.label}：${g.text}${g.now !== null && g.now !== undefined ? `（现在 ${g.now}${g.met ? "，已达标" : "，未达标"}）` : ""}${g.unconfirmed ? "【待核对】" : ""}`)),
    ...listOf("生活方式", (plan.advice || []).map((a) => `${a.topic}：${a.say}`)),
    ...listOf("可与医生讨论的用药", (plan.medicines_to_discuss || []).map((m) => m.say || m.text || m.medicine)),
    ...listOf("到期的检查", (plan.tests_due || []).map((t) => t.test)),
    ...listOf("疫苗", (plan.vaccination || []).map((v) => `${v.vaccine}：${v.say}`)),
    ...listOf("补上会改变结论的资料", (plan.would_change || []).filter((w) => w.matters).map((w) => w.label)),
  ];
  return node("div", { class: "card" }, parts.filter(Boolean));
}

async function screenPhoto(file) {
  const place = $("s-answer");
  place.replaceChildren(node("p", { class: "hint" }, "读片中…"));
  const data = await new Promise((done, failed) => { const reader = new FileReader(); reader.onload = () => done(reader.result); reader.onerror = () => failed(reader.error); reader.readAsDataURL(file); });
  $("preview").src = data; $("preview").hidden = !file.type.startsWith("image/");
  try {
    const answer = await ask("/v1/fundus/screen", { id: file.name, image: data.split(",")[1], heat_map: true });
    const grades = ["无明显病变", "轻度非增殖期", "中度非增殖期", "重度非增殖期", "增殖期"];
    const parts = answer.gradable
      ? [node("h2", {}, `${answer.referable ? "建议转诊" : "暂不需转诊"} · ${grades[answer.grade]}`), node("p", {}, `需转诊的可能性 ${Math.round(answer.p_referable * 100)}%，威胁视力的可能性 ${Math.round(answer.p_sight_threatening * 100)}%`)]
      : [node("h2", {}, "不能判读"), node("p", {}, answer.reason)];
    if (answer.advice) parts.push(node("p", {}, answer.advice.message));
    if (answer.heat_map) parts.push(node("img", { src: answer.heat_map.startsWith("data:") ? answer.heat_map : `data:image/png;base64,${answer.heat_map}`, alt: "热图", class: "heat" }));
    parts.push(node("p", { class: "hint" }, answer.disclaimer));
    place.replaceChildren(node("div", { class: "card" }, parts));
  } catch (error) { fail(place, error); }
}
$("photo").addEventListener("change", () => { if ($("photo").files[0]) screenPhoto($("photo").files[0]); });
$("drop").addEventListener("dragover", (event) => { event.preventDefault(); $("drop").classList.add("over"); });
$("drop").addEventListener("dragleave", () => $("drop").classList.remove("over"));
$("drop").addEventListener("drop", (event) => { event.preventDefault(); $("drop").classList.remove("over"); if (event.dataTransfer.files[0]) screenPhoto(event.dataTransfer.files[0]); });
$("drop").addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); $("photo").click(); } });

$("search-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const place = $("q-answer");
  try {
    const answer = await ask(`/v1/knowledge/search?q=${encodeURIComponent($("q").value)}`);
    const kinds = { disease: "病", finding: "表现", medicine: "药" };
    place.replaceChildren(...answer.results.map((hit) => node("div", { class: "card" }, node("span", { class: "code" }, kinds[hit.kind] + " "), hit.kind === "disease" ? openDisease(hit) : node("strong", {}, hit.name), node("span", { class: "code" }, ` ${hit.icd10 || ""} ${hit.highlight ? hit.highlight.replace(/<\/?[a-z]+>/g, "") : ""}`))));
    if (!answer.results.length) place.replaceChildren(node("p", { class: "hint" }, "没有找到。"));
  } catch (error) { fail(place, error); }
});

function openDisease(hit) {
  const details = node("details", {}, node("summary", {}, node("strong", {}, hit.name)));
  details.addEventListener("toggle", async () => {
    if (!details.open || details.childElementCount > 1) return;
    try {
      const page = await ask(`/v1/knowledge/diseases/${encodeURIComponent(hit.id)}`);
      for (const section of page.sections) details.append(node("h2", {}, section.title), node("ul", { class: "steps" }, section.lines.map((line) => node("li", {}, line))));
    } catch (error) { details.append(node("p", { class: "error" }, error.message)); }
  });
  return details;
}

for (const tab of document.querySelectorAll(".tab")) {
  tab.addEventListener("click", () => {
    for (const other of document.querySelectorAll(".tab")) other.setAttribute("aria-selected", String(other === tab));
    for (const panel of document.querySelectorAll(".panel")) panel.hidden = panel.id !== tab.dataset.panel;
  });
}
ask("/readyz").then((r) => { $("status").textContent = `已就绪 · 知识库 ${r.knowledge}`; }).catch((error) => { $("status").textContent = error.message; });
