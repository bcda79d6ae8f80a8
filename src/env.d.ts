/** Whether this is the development build: replaced by the build. */
declare const __DEV__: boolean
