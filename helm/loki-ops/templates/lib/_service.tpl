{{/* One service of Loki: its Deployment, and a PodDisruptionBudget where there is something to keep. Takes `root`, `component`, `values`, `port`. */}}

{{- define "loki-ops.service" -}}
{{- $name := printf "%s-%s" (include "loki-ops.fullname" .root) .component -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "loki-ops.labels" . | nindent 4 }}
spec:
  replicas: {{ int .values.replicas }}
  {{- if eq .component "prober" }}
  # never two of one vantage: they would contradict each other
  strategy:
    type: Recreate
  {{- else }}
  # a new one is ready before an old one goes
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxSurge: 1
      maxUnavailable: 0
  {{- end }}
  selector:
    matchLabels:
      {{- include "loki-ops.selectorLabels" . | nindent 6 }}
  template:
    {{- include "loki-ops.podTemplate" . | nindent 4 }}
{{- if gt (int .values.replicas) 1 }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ $name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "loki-ops.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      {{- include "loki-ops.selectorLabels" . | nindent 6 }}
{{- end }}
{{- end -}}

{{/* The template of a service's pods. Takes `root`, `component`, `values`, `port`. */}}
{{- define "loki-ops.podTemplate" -}}
{{- $preStop := eq .component "api" | ternary (int .root.Values.preStopSeconds) 0 -}}
{{- $onHost := eq .component "agent" -}}
metadata:
  labels:
    {{- include "loki-ops.podLabels" . | nindent 4 }}
  annotations:
    {{- with .root.Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    checksum/config: {{ include "loki-ops.settings" .root | sha256sum }}
spec:
  {{- include "loki-ops.pod" . | nindent 2 }}
  {{- if $onHost }}
  # what it measures is the host's: its interfaces and addresses, its processes
  hostNetwork: true
  hostPID: true
  dnsPolicy: ClusterFirstWithHostNet
  {{- end }}
  serviceAccountName: {{ include "loki-ops.serviceAccount" .root }}
  # the pause before SIGTERM, the drain, and some air
  terminationGracePeriodSeconds: {{ add $preStop (int .root.Values.drainSeconds) 15 }}
  containers:
    - name: {{ .component }}
      args: [{{ .component }}]
      {{- include "loki-ops.container" . | nindent 6 }}
      ports:
        - name: http
          containerPort: {{ .port }}
        {{- if and (eq .component "api") .root.Values.api.telnet.enabled }}
        - name: telnet
          containerPort: 4242
        {{- end }}
      livenessProbe:
        httpGet:
          path: /livez
          port: http
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 3
      # says why not in its body; a backend that is away makes a pod not ready, never restarted. The API is asked for what all of its routes
      # need, the log: a store that is away costs the routes that read it, not the Service
      readinessProbe:
        httpGet:
          path: {{ eq .component "api" | ternary "/readyz?only=api" "/readyz" }}
          port: http
        periodSeconds: 5
        timeoutSeconds: 3
        failureThreshold: 2
      {{- if $preStop }}
      lifecycle:
        preStop:
          sleep:
            seconds: {{ $preStop }}
      {{- end }}
      {{- with .values.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
  volumes:
    {{- $spool := $onHost | ternary (int .root.Values.agent.spoolMebibytes) 0 }}
    {{- include "loki-ops.volumes" (dict "root" .root "settings" (include "loki-ops.fullname" .root) "spool" $spool) | nindent 4 }}
    {{- if $onHost }}
    - name: machine-id
      hostPath:
        path: /etc/machine-id
        type: File
    {{- end }}
  {{- if and .root.Values.topologySpread (not $onHost) }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "loki-ops.selectorLabels" . | nindent 10 }}
  {{- end }}
  {{- with .values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
