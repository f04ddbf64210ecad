exports.square = (x) => x * x;
