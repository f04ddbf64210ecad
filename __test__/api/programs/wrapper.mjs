/** Makes functions whose text stands here. */

export const wrap = (inner) => {
  const state = { calls: 0 };
  return (...all) => {
    state.calls += 1;
    return inner(...all);
  };
};
