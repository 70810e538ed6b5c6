/** The environment given to third-party programs, because our own contains secrets. */
export const bareEnvironment = { PATH: '/usr/local/bin:/usr/bin:/bin', TZ: 'UTC' };
