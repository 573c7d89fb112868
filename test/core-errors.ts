// Errors of Node itself come from outside the context in which jest runs a suite, so that `instanceof Error` is false for
// them there, and libraries that ask it (the AWS SDK does) drop their codes. Outside jest nothing of this happens.

const isInstance = Function.prototype[Symbol.hasInstance];

Object.defineProperty(Error, Symbol.hasInstance, {
  value(this: unknown, value: unknown): boolean {
    // Subclasses inherit this method and keep the ordinary meaning.
    return (
      isInstance.call(this, value) || (this === Error && Object.prototype.toString.call(value) === '[object Error]')
    );
  },
});
