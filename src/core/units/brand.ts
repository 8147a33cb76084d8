declare const brand: unique symbol;

/** A primitive that must not be swapped with another of the same JavaScript type. It costs nothing at run time. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };
