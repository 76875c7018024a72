/**
 * The script of the page: search and filters of the list of legs. Plain JavaScript of any browser of the last years; it
 * makes elements one by one and puts data only into their text, never into markup.
 */
export const SCRIPT = String.raw`
'use strict';
(() => {
  const { legs, names } = JSON.parse(document.getElementById('data').textContent);
  const list = document.getElementById('rows');
  if (list === null) return;
  const PAGE = 100;
  const by = (id) => document.getElementById(id);
  const [words, outcome, stratum, against, shown, more] =
    ['words', 'outcome', 'stratum', 'against', 'shown', 'more'].map(by);
  const number = (value) => value.toLocaleString('en-US');

  const rows = legs.map((leg) => {
    const of = leg.eventType + ' × ' + leg.consumer;
    const fields = (leg.fields || []).map(({ field, callback, event }) => [field, callback, event].join(' '));
    const text = [leg.job, of, names[leg.outcome], leg.says, leg.todo, new Date(leg.at).toISOString(), ...fields];
    return { leg, of, text: text.join('\n').toLowerCase() };
  });

  const make = (name, className, ...children) => {
    const element = document.createElement(name);
    if (className) element.className = className;
    element.append(...children.filter((child) => child !== undefined));
    return element;
  };
  /** Text in which words between backticks are code. */
  const rich = (text) => text.split('\u0060').map((part, at) => (at % 2 === 1 ? make('code', '', part) : part));

  const fieldsTable = (fields) => {
    const heads = ['Field', 'Callback', 'Event'].map((name) => {
      const head = make('th', '', name);
      head.scope = 'col';
      return head;
    });
    const body = fields.map(({ field, callback, event, changed }) => {
      const head = make('th', '', field + (changed ? ' (the ' + changed + ' changed it)' : ''));
      head.scope = 'row';
      const value = (text) => make('td', '', text === undefined ? '(not kept)' : make('code', '', text));
      return make('tr', '', head, value(callback), value(event));
    });
    const table = make('table', '', make('thead', '', make('tr', '', ...heads)), make('tbody', '', ...body));
    const place = make('div', 'wide', table);
    place.tabIndex = 0;
    place.setAttribute('role', 'region');
    place.setAttribute('aria-label', 'Fields that differ');
    return place;
  };

  const item = ({ leg, of }) => {
    const at = new Date(leg.at).toISOString();
    const time = make('time', '', at.slice(0, 10) + ' ' + at.slice(11, 19));
    time.dateTime = at;
    const summary = make(
      'summary',
      '',
      make('span', 'chip c-' + leg.outcome, names[leg.outcome]),
      make('span', 'of', of),
      make('code', 'job', leg.job),
      time,
      make('span', 'says', leg.says),
    );
    const lines = [
      leg.lines.callback > 0 ? 'callback in line ' + number(leg.lines.callback) : undefined,
      leg.lines.event > 0 ? 'event in line ' + number(leg.lines.event) : undefined,
    ].filter((line) => line !== undefined);
    const evidence = leg.evidence === 'bad' ? 'counts against the events' : 'is no evidence';
    const where = ['Attempt ' + leg.attempt, ...lines, evidence].join(', ') + '.';
    return make(
      'li',
      leg.evidence,
      make(
        'details',
        '',
        summary,
        make('p', '', ...rich(leg.says)),
        leg.fields && leg.fields.length > 0 ? fieldsTable(leg.fields) : undefined,
        leg.todo ? make('p', 'todo', make('b', '', 'What to do'), ' ', ...rich(leg.todo)) : undefined,
        make('p', 'where', 'Job ', make('code', '', leg.job), '. ', where),
      ),
    );
  };

  let found = rows;
  const showMore = () => {
    const next = found.slice(list.childElementCount, list.childElementCount + PAGE).map(item);
    list.append(...next);
    const count = list.childElementCount;
    const all = found.length === rows.length ? '' : ' found (of ' + number(rows.length) + ')';
    shown.textContent =
      found.length === 0
        ? 'No leg fits. Take a word or a filter away.'
        : 'Showing ' + number(count) + ' of ' + number(found.length) + (all || '') + '.';
    more.hidden = count >= found.length;
    return next[0];
  };
  const filter = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter((word) => word !== '');
    found = rows.filter(
      ({ leg, of, text }) =>
        (outcome.value === '' || leg.outcome === outcome.value) &&
        (stratum.value === '' || of === stratum.value) &&
        (!against.checked || leg.evidence === 'bad') &&
        wanted.every((word) => text.includes(word)),
    );
    list.replaceChildren();
    showMore();
  };

  words.addEventListener('input', filter);
  for (const each of [outcome, stratum, against]) each.addEventListener('change', filter);
  by('words').form.addEventListener('submit', (event) => event.preventDefault());
  // Whoever asked with the keyboard goes on at the first of the new ones.
  more.addEventListener('click', () => showMore().querySelector('summary').focus());
  filter();
})();
`;
