"use strict";
const $ = (id) => document.getElementById(id);
const URGENCY = { immediate: "立即处理", today: "今日处理", soon: "尽快处理", routine: "预约" };
const STEP = { ask: "问", examine: "查体", test: "检查", refer: "转诊" };
const REASONS = ["与病人情况不符", "已经排除", "已经知道，不必再提示", "其他"];
const SAMPLE = "主诉：胸痛2小时。\n现病史：2小时前劳动后突发胸骨后压榨样疼痛，向左肩背部放射，伴大汗、恶心，休息不缓解。无咳嗽、发热。\n既往史：高血压10年，平时服药不规律；吸烟30年。父亲患冠心病。\n查体：BP 168/98mmHg，P 96次/分，神清，痛苦貌，双肺呼吸音清，未闻及啰音。";
const MEASURES = [["systolic_bp", "收缩压", "mmHg"], ["diastolic_bp", "舒张压", "mmHg"], ["height", "身高", "cm"], ["weight", "体重", "kg"], ["waist", "腰围", "cm"], ["fasting_glucose", "空腹血糖", "mmol/L"], ["hba1c", "糖化血红蛋白", "%"], ["total_cholesterol", "总胆固醇", "mmol/L"], ["triglycerides", "甘油三酯", "mmol/L"], ["hdl_cholesterol", "高密度脂蛋白胆固醇", "mmol/L"], ["ldl_cholesterol", "低密度脂蛋白胆固醇", "mmol/L"], ["creatinine", "血肌酐", "µmol/L"], ["urate", "血尿酸", "µmol/L"], ["acr", "尿白蛋白/肌酐", "mg/g"]];
const TITLES = { amap: "肝癌风险评分", anaemia: "贫血判定", bmi_child: "学龄儿童超重与肥胖", bmi_cn: "体质指数", bp_grade: "血压分级", bp_target: "降压目标", cds_risk_score: "糖尿病风险评分", china_par_10y: "10年心脑血管病风险", china_par_lifetime: "终生心脑血管病风险", ckd_epi_2009: "肾小球滤过率（2009）", ckd_epi_2021: "肾小球滤过率", dm_control_targets: "糖尿病综合控制目标", dm_diagnosis: "糖代谢状态", friedewald_ldl: "LDL-C估算", htn_followup: "高血压随访分类", htn_high_risk_signs: "高血压高危筛查", htn_risk_strata: "高血压心血管风险分层", kdigo_ga: "慢性肾脏病分期", lipid_strata_2023: "血脂危险分层", mets_cds2020: "代谢综合征", osta: "骨质疏松风险", stroke_high_risk_8: "脑卒中高危筛查", t2dm_followup: "糖尿病随访分类", urate: "血尿酸", waist_cn: "腰围" };
const decisions = new Map();

function node(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "class") made.className = value; else if (key === "onclick") made.addEventListener("click", value); else made.setAttribute(key, value);
  }
  for (const child of children.flat()) if (child !== null && child !== undefined && child !== "") made.append(child);
  return made;
}

async function send(path, body, accept) {
  let response;
  try {
    response = await fetch(path, body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json", Accept: accept || "application/json" }, body: JSON.stringify(body) });
  } catch { throw new Error("连不上服务：请确认本机服务已启动，再试一次。"); }
  if (response.ok) return response;
  let problem = null;
  try { problem = await response.json(); } catch { /* a proxy may answer without a problem document: said below */ }
  throw new Error(problem && problem.title ? `${problem.title}：${problem.detail}` : `服务没有正常回答（${response.status}），请稍后再试。`);
}
async function ask(path, body) { return (await send(path, body)).json(); }

function fail(place, error) { place.replaceChildren(node("p", { class: "card error", role: "alert" }, error.message)); }
function names(text) { return text.split(/[、，,；;]/).map((n) => n.trim()).filter(Boolean); }
function narrow() { return window.matchMedia("(max-width: 820px)").matches; }
function reveal(place) { if (narrow()) place.scrollIntoView({ block: "start" }); }
async function busy(form, work) {
  const button = form.querySelector("button.primary");
  button.disabled = true;
  try { await work(); } finally { button.disabled = false; }
}

// a bare number says nothing by itself: the finding's name stands in its place
const NUMBERS = { ...Object.fromEntries(MEASURES.map(([name, label]) => [name, label])), pregnancy_weeks: "孕周", temperature: "体温", heart_rate: "心率", respiratory_rate: "呼吸", spo2: "血氧", glucose: "血糖", wbc: "白细胞", haemoglobin: "血红蛋白", platelets: "血小板", potassium: "血钾", sodium: "血钠", crp: "CRP", urine_protein: "尿蛋白", fetal_heart_rate: "胎心率", gcs: "昏迷评分" };
function words(item) {
  const text = item.span && item.span.text ? item.span.text : "";
  // a rule's number carries the measurement's name
  if (text && /^[a-z][a-z0-9_]*$/.test(item.note || "")) return `${NUMBERS[item.note] || "数值"} ${text}`;
  return !text || !/[\u3400-\u9fffA-Za-z]/.test(text) ? item.note || text || item.name || "" : text;
}
function chips(items, kind) {
  const seen = new Set();
  return items.filter((item) => !seen.has(words(item)) && seen.add(words(item))).map((item) => node("span", { class: `chip ${kind}`, title: item.note || null }, kind === "against" && item.note ? item.note : words(item)));
}
function evidenceLine(label, items, kind) {
  return items.length ? node("p", { class: "evidence" }, node("b", {}, label), chips(items, kind)) : null;
}

function decisionBar(id, view, accept) {
  const bar = node("span", { class: "decide" });
  const show = () => {
    const made = decisions.get(id);
    view.classList.toggle("refused", Boolean(made && made.reason));
    if (made) {
      bar.replaceChildren(node("span", { class: "made" }, made.reason ? `不采纳：${made.reason}` : "已采纳"), node("button", { type: "button", class: "small", onclick: () => { decisions.delete(id); show(); } }, "撤回"));
      return;
    }
    bar.replaceChildren(...[
      accept ? node("button", { type: "button", class: "small", onclick: () => { decisions.set(id, { item: accept.item }); accept.act(); show(); } }, "采纳") : null,
      node("button", { type: "button", class: "small", onclick: () => bar.replaceChildren(...REASONS.map((reason) => node("button", { type: "button", class: "small", onclick: () => { decisions.set(id, { reason }); show(); } }, reason)), node("button", { type: "button", class: "small", onclick: show }, "返回")) }, "不采纳"),
    ].filter(Boolean));
  };
  show();
  return bar;
}

function enter(name) {
  const entered = names($("entered").value);
  if (!entered.includes(name)) $("entered").value = [...entered, name].join("、");
}

function candidateView(candidate) {
  const percent = Math.round(candidate.probability * 100);
  const view = node("div", { class: "candidate" });
  const known = candidate.disease !== null;
  view.append(
    node("div", { class: "head" },
      known ? node("button", { type: "button", class: "name link", title: "查看这个病", onclick: () => openPage(candidate.disease) }, candidate.name) : node("span", { class: "name" }, candidate.name),
      node("span", { class: "code" }, candidate.icd10 || ""),
      candidate.must_not_miss ? node("span", { class: "must" }, "不可漏") : null,
      node("span", { class: "chance" }, node("meter", { min: 0, max: 100, value: percent, "aria-label": "可能性" }), ` ${percent < 1 ? "<1" : percent}%`),
      decisionBar(candidate.id, view, { item: { id: candidate.id, name: candidate.name, icd10: candidate.icd10 }, act: () => enter(candidate.name) })),
    ...[evidenceLine("支持", candidate.for, ""),
      evidenceLine("不支持", candidate.against, "against"),
      candidate.missing.length ? node("p", { class: "evidence" }, node("b", {}, "还不知道"), candidate.missing.map((m) => node("span", { class: "chip missing", title: m.question }, m.name))) : null].filter(Boolean));
  return view;
}

function markText(text, diagnosis) {
  const marks = [];
  const add = (items, kind) => { for (const e of items) if (e.span && e.span.text) marks.push([e.span.start, e.span.end, kind, e.note]); };
  for (const flag of diagnosis.red_flags) add(flag.evidence, "flagged");
  for (const candidate of diagnosis.candidates.slice(0, 3)) { add(candidate.for, "for"); add(candidate.against, "against"); }
  marks.sort((a, b) => a[0] - b[0] || b[1] - a[1]);
  // offsets count code points, JavaScript strings count UTF-16 units
  const points = Array.from(text);
  const parts = [];
  let at = 0;
  for (const [start, end, kind, note] of marks) {
    if (start < at) continue;
    parts.push(points.slice(at, start).join(""), node("mark", { class: kind, title: note || null }, points.slice(start, end).join("")));
    at = end;
  }
  parts.push(points.slice(at).join(""));
  $("marked").replaceChildren(node("p", { class: "legend" }, "依据标注：", node("mark", { class: "flagged" }, "危险信号"), " ", node("mark", { class: "for" }, "支持前三位"), " ", node("mark", { class: "against" }, "不支持")), ...parts);
  $("marked").hidden = marks.length === 0;
}

function flagView(flag) {
  const view = node("div", { class: `card flag ${flag.urgency}`, role: flag.urgency === "immediate" ? "alert" : null });
  view.append(node("div", {}, node("strong", {}, URGENCY[flag.urgency] + "："), flag.message), ...[evidenceLine("依据", flag.evidence, "flagged")].filter(Boolean), decisionBar(flag.id, view));
  return view;
}

function diagnosisView(diagnosis, review) {
  const parts = diagnosis.red_flags.slice(0, 6).map(flagView);
  const more = diagnosis.red_flags.slice(6);
  if (more.length) parts.push(node("details", { class: "card" }, node("summary", {}, `另有 ${more.length} 条危险信号`), more.map(flagView)));
  for (const item of diagnosis.notifiable || []) parts.push(node("div", { class: "card flag today" }, node("strong", {}, `疑似${item.class === "other" ? "" : item.class + "类"}传染病：`), `${item.name}。如确诊须在 ${item.hours} 小时内报告。${item.action}`));
  if (diagnosis.abstention) parts.push(node("div", { class: "card" }, node("h2", {}, "暂不下结论"), diagnosis.abstention.reason));
  if (diagnosis.candidates.length) {
    parts.push(node("div", { class: "card" }, node("h2", {}, diagnosis.abstention ? "供参考的可能" : "可能的诊断"),
      node("p", { class: "hint small" }, "百分数各自独立，几种病可以同时存在。点病名看要点。"),
      diagnosis.candidates.slice(0, 8).map(candidateView),
      diagnosis.department ? node("p", { class: "evidence" }, node("b", {}, "建议科室"), diagnosis.department) : null));
  }
  if (diagnosis.next_steps.length) {
    parts.push(node("div", { class: "card" }, node("h2", {}, "下一步"), node("ol", { class: "steps" }, diagnosis.next_steps.map((step) => node("li", {}, `${STEP[step.kind]}：${step.what.replace(/^(查|问)：/, "")}`, node("span", { class: "code" }, ` ${step.why}`))))));
  }
  const alerts = review ? review.alerts.filter((a) => a.kind !== "red_flag") : [];
  if (alerts.length) {
    parts.push(node("div", { class: "card" }, node("h2", {}, "核对提示"), node("ul", { class: "steps" }, alerts.map((alert) => {
      const view = node("li", { class: `alert ${alert.severity}` }, node("span", {}, alert.message));
      const named = alert.kind === "missed" && alert.disease;
      view.append(" ", decisionBar(alert.id, view, named ? { item: { id: alert.id, name: alert.disease.name, icd10: alert.disease.icd10 }, act: () => enter(alert.disease.name) } : null));
      return view;
    }))));
  }
  parts.push(node("p", { class: "hint" }, `${diagnosis.disclaimer} 知识库 ${diagnosis.versions.knowledge}`));
  return parts;
}

$("record-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const place = $("answer");
  const text = $("text").value;
  if (!text.trim()) { fail(place, new Error("还没有病历：请先写下主诉和现病史。")); $("text").focus(); return; }
  const made = [...decisions];
  const record = { id: "page", patient: { sex: $("sex").value }, text, accepted: made.filter(([, d]) => d.item).map(([, d]) => d.item), overridden: made.filter(([, d]) => d.reason).map(([id, d]) => ({ id, reason: d.reason })) };
  if ($("age").value.trim()) record.patient.age = $("age").value.trim();
  if ($("facility").value) record.encounter = { facility: $("facility").value };
  busy(event.target, async () => {
    place.classList.remove("stale");
    place.replaceChildren(node("p", { class: "hint" }, "分析中…"));
    try {
      const diagnoses = names($("entered").value).map((name) => ({ name }));
      const [diagnosis, review] = await Promise.all([ask("/v1/diagnose", record), ask("/v1/review", { ...record, diagnoses })]);
      place.replaceChildren(...diagnosisView(diagnosis, review));
      markText(text, diagnosis);
      reveal(place);
    } catch (error) { fail(place, error); $("marked").hidden = true; reveal(place); }
  });
});
function clearAnswer() { decisions.clear(); $("marked").hidden = true; $("answer").classList.remove("stale"); $("answer").replaceChildren(node("p", { class: "hint" }, "输入病历，按“分析”。结果供参考，由医生判断。")); }
$("sample").addEventListener("click", () => { clearAnswer(); $("text").value = SAMPLE; $("sex").value = "male"; $("age").value = "61岁"; });
$("clear").addEventListener("click", () => { clearAnswer(); $("text").value = ""; $("entered").value = ""; $("age").value = ""; $("sex").value = "unknown"; $("text").focus(); });
// what stands on the right was said of another text: show it as such
for (const id of ["text", "age", "sex", "facility"]) $(id).addEventListener("input", () => { if ($("answer").querySelector(".card")) $("answer").classList.add("stale"); });
$("text").addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("record-form").requestSubmit(); });

for (const [name, label, unit] of MEASURES) $("g-measures").append(node("label", {}, `${label}（${unit}）`, node("input", { type: "number", step: "any", min: 0, inputmode: "decimal", "data-name": name, "data-unit": unit })));
function resident() {
  const measurements = [...document.querySelectorAll("#g-measures input")].filter((i) => i.value !== "").map((i) => ({ name: i.dataset.name, value: Number(i.value), unit: i.dataset.unit }));
  const answers = { smoker: { value: $("g-smoking").checked } };
  for (const name of ["north", "urban", "fh_ascvd"]) if ($(`g-${name}`).value) answers[name] = { value: $(`g-${name}`).value === "yes" };
  if ($("g-complete").checked) answers.history_complete = { value: true };
  return { id: "page", patient: { sex: $("g-sex").value, age: { value: Number($("g-age").value), unit: "year" } }, measurements, diagnoses: names($("g-diagnoses").value).map((name) => ({ name })), medications: names($("g-medications").value).map((name) => ({ name })), answers };
}
$("grade-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const request = resident();
  const place = $("g-answer");
  busy(event.target, async () => {
    place.replaceChildren(node("p", { class: "hint" }, "计算中…"));
    try {
      const answer = await ask("/v1/risk/grade", request);
      place.replaceChildren(...gradeView(answer, request));
    } catch (error) { fail(place, error); }
    reveal(place);
  });
});

function gradeView(answer, request) {
  const say = (r) => r.interpretation.replace("【待核对】", "");
  const line = (r) => node("tr", {}, node("td", {}, TITLES[r.instrument] ? node("b", {}, TITLES[r.instrument] + "：") : null, say(r), " ", r.unconfirmed ? node("span", { class: "unsure", title: "依据尚待临床核对" }, "待核对") : null), node("td", { class: "code" }, r.source));
  const done = answer.results.filter((r) => !r.missing.length || r.grade !== null);
  const lacking = answer.results.filter((r) => r.missing.length && r.grade === null);
  const plan = answer.plan;
  const parts = [];
  for (const error of answer.errors) parts.push(node("p", { class: "card error" }, `${error.title}：${error.detail}`));
  for (const r of plan.referral || []) parts.push(node("div", { class: `card flag ${r.urgency || "soon"}` }, node("strong", {}, `${URGENCY[r.urgency] || "转诊"}：`), r.say));
  for (const a of plan.alerts || []) parts.push(node("div", { class: "card flag today" }, a.message));
  parts.push(node("div", { class: "card" }, node("h2", {}, "分级结果"),
    done.length ? node("table", {}, node("thead", {}, node("tr", {}, node("th", {}, "结果"), node("th", {}, "依据"))), node("tbody", {}, done.map(line))) : node("p", { class: "hint" }, "资料还不够，没有能算出的分级。"),
    lacking.length ? node("details", {}, node("summary", {}, `还有 ${lacking.length} 项因缺资料不能算`), node("ul", { class: "steps" }, lacking.map((r) => node("li", {}, TITLES[r.instrument] ? node("b", {}, TITLES[r.instrument] + "：") : null, say(r), node("span", { class: "code" }, ` ${r.source}`))))) : null));
  parts.push(planView(plan));
  parts.push(node("p", {}, node("button", { type: "button", onclick: (event) => saveReport(request, event.target) }, "保存居民报告（网页，可打印）")));
  return parts;
}

async function saveReport(request, button) {
  button.disabled = true;
  try {
    const page = await (await send("/v1/risk/grade", request, "text/html")).blob();
    const link = node("a", { href: URL.createObjectURL(page), download: "健康评估报告.html" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  } catch (error) { button.after(node("p", { class: "error" }, error.message)); }
  button.disabled = false;
}

function listOf(title, lines) {
  const kept = [...new Set(lines.filter(Boolean))];
  return kept.length ? [node("h3", {}, title), node("ul", { class: "steps" }, kept.map((line) => node("li", {}, line)))] : [];
}
function short(number) { return String(Math.round(number * 10) / 10); }
function goalLine(goal) {
  const known = goal.now !== null && goal.now !== undefined;
  const now = known ? `（现在 ${short(goal.now)}${goal.also_now ? "/" + short(goal.also_now) : ""}，${goal.met ? "已达标" : "未达标"}）` : "（还没有数值）";
  return `${goal.label}：${goal.text}${now}${goal.unconfirmed ? "，目标待核对" : ""}`;
}

function planView(plan) {
  const visit = plan.next_visit || {};
  const levers = plan.what_if || [];
  const topics = new Map();
  for (const a of plan.advice || []) topics.set(a.topic, [...(topics.get(a.topic) || []), a.say]);
  const parts = [
    node("h2", {}, `管理计划${plan.level ? "：" + plan.level.name : ""}`),
    visit.days ? node("p", {}, `下次随访：${visit.days} 天内${visit.say ? "（" + visit.say + "）" : ""}`) : null,
    ...listOf("目标", (plan.goals || []).map(goalLine)),
    ...(levers.length ? [node("h3", {}, "如果做到，10年心脑血管病风险会怎样"), node("table", {}, node("tbody", {}, levers.map((l) => node("tr", {}, node("td", {}, l.lever), node("td", {}, `${short(l.risk_now)}% → ${short(l.risk_then)}%`)))))] : []),
    ...listOf("生活方式", [...topics].map(([topic, lines]) => `${topic}：${lines.join("；")}`)),
    ...listOf("可与医生讨论的用药", (plan.medicines_to_discuss || []).map((m) => m.say)),
    ...listOf("到期的检查", [(plan.tests_due || []).map((t) => t.test).join("、")]),
    ...listOf("疫苗", (plan.vaccination || []).map((v) => `${v.vaccine}：${v.say}`)),
    ...listOf("补上会改变结论的资料", [[...new Set((plan.would_change || []).filter((w) => w.matters).map((w) => w.label))].join("、")]),
    (plan.assumed_no || []).length ? node("p", { class: "hint" }, `没有写的 ${plan.assumed_no.length} 项病史按“没有”计算。`) : null,
  ];
  return node("div", { class: "card" }, parts.filter(Boolean));
}

async function screenPhoto(file) {
  const place = $("s-answer");
  if (file.size > 20 * 1024 * 1024) { fail(place, new Error("照片太大：请选 20 MB 以内的文件。")); return; }
  place.replaceChildren(node("p", { class: "hint" }, "读片中…"));
  try {
    const data = await new Promise((done, failed) => { const reader = new FileReader(); reader.onload = () => done(reader.result); reader.onerror = () => failed(new Error("这个文件读不出来，请换一张。")); reader.readAsDataURL(file); });
    $("preview").hidden = !file.type.startsWith("image/");
    if (!$("preview").hidden) $("preview").src = data;
    const answer = await ask("/v1/fundus/screen", { id: file.name.slice(-200) || "photo", image: data.split(",")[1], heat_map: true });
    const grades = ["无明显病变", "轻度非增殖期", "中度非增殖期", "重度非增殖期", "增殖期"];
    const parts = answer.gradable
      ? [node("h2", { class: answer.referable ? "error" : null }, `${answer.referable ? "建议转诊" : "暂不需转诊"} · ${grades[answer.grade]}`), node("p", {}, `需转诊的可能性 ${Math.round(answer.p_referable * 100)}%，威胁视力的可能性 ${Math.round(answer.p_sight_threatening * 100)}%`)]
      : [node("h2", {}, "不能判读"), node("p", {}, answer.reason)];
    if (answer.advice) {
      // where the advice repeats why the photograph cannot be read, it is said once
      if (!answer.gradable && answer.advice.message.startsWith(answer.reason)) parts.pop();
      parts.push(node("p", {}, answer.advice.message));
    }
    if (answer.heat_map) parts.push(node("figure", {}, node("img", { src: answer.heat_map.startsWith("data:") ? answer.heat_map : `data:image/png;base64,${answer.heat_map}`, alt: "热图", class: "heat" }), node("figcaption", { class: "hint" }, "颜色越暖，对判断影响越大；不等于病灶轮廓。")));
    parts.push(node("p", { class: "hint" }, answer.disclaimer || ""));
    place.replaceChildren(node("div", { class: "card" }, parts));
  } catch (error) { fail(place, error); }
  reveal(place);
}
$("photo").addEventListener("change", () => { if ($("photo").files[0]) screenPhoto($("photo").files[0]); $("photo").value = ""; });
$("drop").addEventListener("dragover", (event) => { event.preventDefault(); $("drop").classList.add("over"); });
$("drop").addEventListener("dragleave", () => $("drop").classList.remove("over"));
$("drop").addEventListener("drop", (event) => { event.preventDefault(); $("drop").classList.remove("over"); if (event.dataTransfer.files[0]) screenPhoto(event.dataTransfer.files[0]); });
$("drop").addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); $("photo").click(); } });

$("search-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const place = $("q-answer");
  if (!$("q").value.trim()) { $("q").focus(); return; }
  busy(event.target, async () => {
    try {
      const answer = await ask(`/v1/knowledge/search?q=${encodeURIComponent($("q").value)}`);
      place.replaceChildren(...answer.results.map(hitView));
      if (!answer.results.length) place.replaceChildren(node("p", { class: "hint" }, "没有找到；换个说法，或用拼音首字母试试。"));
    } catch (error) { fail(place, error); }
  });
});

function hitView(hit) {
  const kinds = { disease: "病", finding: "表现", medicine: "药" };
  const alias = hit.highlight ? hit.highlight.replace(/<\/?[a-z]+>/g, "") : "";
  return node("div", { class: "card hit" }, node("span", { class: "kind" }, kinds[hit.kind]),
    hit.kind === "disease" ? node("button", { type: "button", class: "name link", onclick: () => openPage(hit.id) }, hit.name) : node("strong", { class: "name" }, hit.name),
    node("span", { class: "code" }, [hit.icd10, alias === hit.name ? "" : alias].filter(Boolean).join(" · ")));
}

async function openPage(id) {
  const dialog = $("page");
  const body = $("page-body");
  body.replaceChildren(node("p", { class: "hint" }, "打开中…"));
  dialog.showModal();
  try {
    const page = await ask(`/v1/knowledge/diseases/${encodeURIComponent(id)}`);
    body.replaceChildren(node("h2", { class: "title" }, page.name), node("p", { class: "code" }, [page.icd10.join("、"), page.department].filter(Boolean).join(" · ")),
      ...page.sections.filter((s) => s.lines.length).flatMap((s) => [node("h3", {}, s.title), node("ul", { class: "steps" }, s.lines.map((line) => node("li", {}, line)))]));
    body.scrollTop = 0;
  } catch (error) { fail(body, error); }
}
$("page-close").addEventListener("click", () => $("page").close());
$("page").addEventListener("click", (event) => { if (event.target === $("page")) $("page").close(); });

for (const tab of document.querySelectorAll(".tab")) {
  tab.addEventListener("click", () => {
    for (const other of document.querySelectorAll(".tab")) other.setAttribute("aria-selected", String(other === tab));
    for (const panel of document.querySelectorAll(".panel")) panel.hidden = panel.id !== tab.dataset.panel;
  });
}
async function watch() {
  try {
    const ready = await ask("/readyz");
    $("status").textContent = `已就绪 · 知识库 ${ready.knowledge}`;
  } catch (error) {
    $("status").textContent = error.message;
    setTimeout(watch, 3000);
  }
}
watch();
